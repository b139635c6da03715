/* Counts the calls of a process that write below one folder; the nth ends the process, or fails.

   Loaded before the C library (LD_PRELOAD). `faults_arm` begins; in processes that a program starts, FAULTS_ARM does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, KILL, KILL_HALFWAY, FAIL_ONCE, FAIL_ON };

static char folder[4096];
static long nth;
static int action, code;
static long count;

void faults_arm(const char *where, long at, int what, int error) {
  strncpy(folder, where, sizeof folder - 1);
  nth = at, action = what, code = error;
  __atomic_store_n(&count, 0, __ATOMIC_SEQ_CST);
}

long faults_count(void) { return __atomic_load_n(&count, __ATOMIC_SEQ_CST); }

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("FAULTS_ARM"); /* nth:action:code:folder */
  long at;
  int what, error, used = 0;
  if (text && sscanf(text, "%ld:%d:%d:%n", &at, &what, &error, &used) == 3 && used) faults_arm(text + used, at, what, error);
}

static int is_below(const char *path) {
  char full[8192];
  if (!folder[0] || !path) return 0;
  if (path[0] != '/') {
    char here[4096];
    if (!getcwd(here, sizeof here)) return 0;
    snprintf(full, sizeof full, "%s/%s", here, path);
    path = full;
  }
  return strncmp(path, folder, strlen(folder)) == 0;
}

static int is_of(int descriptor) {
  char link[64], path[4096];
  ssize_t length;
  if (!folder[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_below(path);
}

/* 0: go on; 1: fail now; 2: write a half first. */
static int judge(int is_write) {
  long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
  if (action == COUNT || now < nth) return 0;
  if (now == nth && is_write && (action == KILL_HALFWAY || (action == FAIL_ON && (code == ENOSPC || code == EDQUOT)))) return 2;
  if (now == nth && (action == KILL || action == KILL_HALFWAY)) kill(getpid(), SIGKILL);
  if ((action == FAIL_ONCE && now == nth) || action == FAIL_ON) {
    errno = code;
    return 1;
  }
  return 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static ssize_t half(ssize_t written) {
  if (action == KILL_HALFWAY) kill(getpid(), SIGKILL);
  return written;
}

ssize_t write(int d, const void *data, size_t n) {
  static __typeof__(&write) next;
  if (!next) next = NEXT(write);
  int verdict = is_of(d) ? judge(n > 1) : 0;
  return verdict == 1 ? -1 : verdict == 2 ? half(next(d, data, n / 2)) : next(d, data, n);
}

ssize_t pwrite(int d, const void *data, size_t n, off_t at) {
  static __typeof__(&pwrite) next;
  if (!next) next = NEXT(pwrite);
  int verdict = is_of(d) ? judge(n > 1) : 0;
  return verdict == 1 ? -1 : verdict == 2 ? half(next(d, data, n / 2, at)) : next(d, data, n, at);
}

ssize_t pwrite64(int d, const void *data, size_t n, off64_t at) {
  static __typeof__(&pwrite64) next;
  if (!next) next = NEXT(pwrite64);
  int verdict = is_of(d) ? judge(n > 1) : 0;
  return verdict == 1 ? -1 : verdict == 2 ? half(next(d, data, n / 2, at)) : next(d, data, n, at);
}

#define OF_DESCRIPTOR(name, parameters, arguments)         \
  int name parameters {                                    \
    static __typeof__(&name) next;                         \
    if (!next) next = NEXT(name);                          \
    return is_of(d) && judge(0) ? -1 : next arguments;     \
  }
OF_DESCRIPTOR(fsync, (int d), (d))
OF_DESCRIPTOR(fdatasync, (int d), (d))
OF_DESCRIPTOR(ftruncate, (int d, off_t n), (d, n))
OF_DESCRIPTOR(ftruncate64, (int d, off64_t n), (d, n))

/* What only frees room does not fail for the lack of it. */
static int fails_freeing(const char *path) {
  return is_below(path) && !((code == ENOSPC || code == EDQUOT) && action >= FAIL_ONCE) && judge(0);
}

int unlink(const char *path) { return fails_freeing(path) ? -1 : NEXT(unlink)(path); }
int rename(const char *from, const char *to) { return is_below(to) && judge(0) ? -1 : NEXT(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return is_below(path) && judge(0) ? -1 : NEXT(mkdir)(path, mode); }

#define OPENED(name)                                                                               \
  int name(const char *path, int flags, ...) {                                                     \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                        \
    va_end(rest);                                                                                  \
    return (flags & (O_CREAT | O_TRUNC)) && is_below(path) && judge(0) ? -1 : NEXT(name)(path, flags, mode); \
  }
OPENED(open)
OPENED(open64)
