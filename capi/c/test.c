/* The tests of the C library: `cargo xtask capi` builds and runs them, also
   under the sanitizers. `test broken` frees without waiting, and must fail. */
#define _GNU_SOURCE
#include <hyaline.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HYALINE_PLATFORM_BARRIER
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1); \
		} \
	} while (0)
#define NAME_OF(prefix) #prefix
#define NAME(prefix) NAME_OF(prefix)

static bool broken;
static atomic_long made, freed;

struct object {
	struct hyaline_link link;
	long value, twice;
};

static void set_object(struct object *object)
{
	static atomic_long next;
	object->value = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
	object->twice = 2 * object->value;
}

static struct object *new_object(void)
{
	struct object *object = calloc(1, sizeof *object);
	CHECK(object);
	set_object(object);
	atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
	return object;
}

static void check_object(const struct object *object)
{
	CHECK(object->twice == 2 * object->value);
}

static void free_object(struct hyaline_link *link)
{
	struct object *object = (struct object *)link;
	check_object(object);
	object->twice = -1;
	free(object);
	atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
}

static void relax(void *argument)
{
	(void)argument;
	sched_yield();
}

static void count(void *argument)
{
	++*(int *)argument;
}

void hyaline_platform_panic(const char *message, size_t length)
{
	fprintf(stderr, "%.*s\n", (int)length, message);
	_exit(42);
}

#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
/* Newer compilers call these, and GCC 12's library lacks them. memcpy and memmove
   are checked as well. */
void *__tsan_memcpy(void *to, const void *from, size_t length)
{
	return memcpy(to, from, length);
}
void *__tsan_memmove(void *to, const void *from, size_t length)
{
	return memmove(to, from, length);
}
void *__tsan_memset(void *to, int value, size_t length)
{
	return memset(to, value, length);
}
#endif

#ifdef HYALINE_PLATFORM_BARRIER
void hyaline_platform_heavy(void)
{
	CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
}
#endif

/* A child that must end in the hook. */
static void panics(void (*misuse)(void))
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	CHECK(child >= 0);
	if (!child) {
		misuse();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

#define HYALINE_PREFIX hyaline
#include "kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust
#include "kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_single
#include "kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust_single
#include "kind.h"
#undef HYALINE_PREFIX
#ifdef HYALINE_PLATFORM_BARRIER
#define HYALINE_PREFIX hyaline_platform
#include "kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust_platform
#include "kind.h"
#undef HYALINE_PREFIX
#endif

int main(int argc, char **argv)
{
	int milliseconds = argc > 2 ? atoi(argv[2]) : 500;
	broken = argc > 1 && !strcmp(argv[1], "broken");
	if (broken) {
		hyaline_stress(8, milliseconds);
		return 0;
	}
	for (int result = 0; result >= HYALINE_NOT_BUILT; result--)
		CHECK(strlen(hyaline_error(result)) > 3);
	hyaline_calls();
	hyaline_robust_calls();
	hyaline_single_calls();
	hyaline_robust_single_calls();
	hyaline_stress(8, milliseconds);
	hyaline_robust_stress(8, milliseconds);
	/* One thread is on one core. */
	hyaline_single_stress(0, 0);
	hyaline_robust_single_stress(0, 0);
#ifdef HYALINE_PLATFORM_BARRIER
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)) {
		fprintf(stderr, "no membarrier here: the platform's kinds were not run\n");
		return 3;
	}
	hyaline_platform_calls();
	hyaline_robust_platform_calls();
	hyaline_platform_stress(8, milliseconds);
	hyaline_robust_platform_stress(8, milliseconds);
#endif
	printf("all passed\n");
	return 0;
}
