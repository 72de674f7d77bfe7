/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The operations of one kind of collector: included once for each by scale.h,
   which defines HYALINE_PREFIX. */

static struct HYALINE_(collector) HYALINE_(collector);
static void *HYALINE_(memory);
static DEFINE_PER_CPU(struct HYALINE_(handle), HYALINE_(of_cpu));

static size_t HYALINE_(slots)(void)
{
	/* Tasks: one on each CPU, and those that wait. */
	return 2 * nr_cpu_ids + 4;
}

static void HYALINE_(begin)(void)
{
	size_t bytes = HYALINE_(size)(HYALINE_(slots)());
	int cpu;

	HYALINE_(memory) = alloc_pages_exact(bytes, GFP_KERNEL);
	BUG_ON(HYALINE_(init)(&HYALINE_(collector), HYALINE_(memory), bytes, HYALINE_(slots)(), NULL));
	for_each_possible_cpu(cpu)
		BUG_ON(HYALINE_(register_per_cpu)(&HYALINE_(collector), per_cpu_ptr(&HYALINE_(of_cpu), cpu)));
}

static void HYALINE_(end)(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		HYALINE_(unregister)(per_cpu_ptr(&HYALINE_(of_cpu), cpu));
	if (!WARN_ON(HYALINE_(destroy)(&HYALINE_(collector))))
		free_pages_exact(HYALINE_(memory), HYALINE_(size)(HYALINE_(slots)()));
}

#ifdef HYALINE_REFSCALE

#define HYALINE_DEFINE_SECTIONS(name, work, ...) \
	static void HYALINE_(cpu_##name)(const int loops, ##__VA_ARGS__) \
	{ \
		for (int i = loops; i >= 0; i--) { \
			preempt_disable(); \
			HYALINE_(enter)(this_cpu_ptr(&HYALINE_(of_cpu))); \
			work; \
			HYALINE_(leave)(this_cpu_ptr(&HYALINE_(of_cpu))); \
			preempt_enable(); \
		} \
	} \
	static void HYALINE_(task_##name)(const int loops, ##__VA_ARGS__) \
	{ \
		struct HYALINE_(handle) handle; \
\
		/* Interrupts may be masked. */ \
		BUG_ON(HYALINE_(register_deferred)(&HYALINE_(collector), &handle)); \
		for (int i = loops; i >= 0; i--) { \
			HYALINE_(enter)(&handle); \
			work; \
			HYALINE_(leave)(&handle); \
		} \
		HYALINE_(unregister)(&handle); \
	}
HYALINE_DEFINE_SECTIONS(sections, (void)0)
HYALINE_DEFINE_SECTIONS(delays, un_delay(udl, ndl), const int udl, const int ndl)
#undef HYALINE_DEFINE_SECTIONS

#else

#include "grace_kind.h"

#endif
