// The date of a process and its children is CLOCK_AHEAD seconds ahead of the machine's, that of files included;
// what measures how long something takes stays as it is. Loaded by tests/at_clock.sh.
// libfaketime would do, but its clock_nanosleep breaks time.sleep() of Python 3.11 and it leaves files alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
// Seconds since 1970, not since the machine was started.
#define IS_DATE(at) ((at)->tv_sec > 1000000000)

static long ahead(void) {
    const char *text = getenv("CLOCK_AHEAD");
    return text ? atol(text) : 0;
}

// -- asking for the date
int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

// -- waiting until a date
static struct timespec machine(const struct timespec *until) {
    struct timespec real = *until;
    if (IS_DATE(until)) real.tv_sec -= ahead();
    return real;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    static __typeof__(&pthread_cond_timedwait) next;
    // Without a version the loader finds the one of 1998, for another structure.
    if (!next) next = (__typeof__(next))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next) next = NEXT(pthread_cond_timedwait);
    struct timespec real = machine(until);
    return next(cond, mutex, &real);
}

// -- files
#define SHOWN(kind)                                                                                              \
    static int shown_##kind(int failed, struct kind *file) {                                                     \
        if (!failed) file->st_atim.tv_sec += ahead(), file->st_mtim.tv_sec += ahead(), file->st_ctim.tv_sec += ahead(); \
        return failed;                                                                                           \
    }                                                                                                            \
    int kind(const char *path, struct kind *file) { return shown_##kind(NEXT(kind)(path, file), file); }         \
    int l##kind(const char *path, struct kind *file) { return shown_##kind(NEXT(l##kind)(path, file), file); }   \
    int f##kind(int handle, struct kind *file) { return shown_##kind(NEXT(f##kind)(handle, file), file); }

SHOWN(stat)
SHOWN(stat64)

int fstatat(int folder, const char *path, struct stat *file, int flags) {
    return shown_stat(NEXT(fstatat)(folder, path, file, flags), file);
}

int fstatat64(int folder, const char *path, struct stat64 *file, int flags) {
    return shown_stat64(NEXT(fstatat64)(folder, path, file, flags), file);
}

static const struct timespec *kept(const struct timespec given[2], struct timespec real[2]) {
    if (!given) return given;
    for (int n = 0; n < 2; n++) {
        real[n] = given[n];
        if (given[n].tv_nsec != UTIME_NOW && given[n].tv_nsec != UTIME_OMIT) real[n].tv_sec -= ahead();
    }
    return real;
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    struct timespec real[2];
    return NEXT(utimensat)(folder, path, kept(times, real), flags);
}

int futimens(int handle, const struct timespec times[2]) {
    struct timespec real[2];
    return NEXT(futimens)(handle, kept(times, real));
}
