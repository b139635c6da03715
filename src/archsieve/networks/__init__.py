"""Operations on any network: building, initialising by name, counting, supernets, weights and export."""
