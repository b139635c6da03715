"""What archsieve does with any network: build and initialise it by name, count it, hold many of them in one."""
