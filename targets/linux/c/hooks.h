/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the library asks of the kernel. Included by one file of a module. */
#pragma once

#include <linux/bug.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/smp.h>

#define HYALINE_PLATFORM_BARRIER
#include "hyaline.h"

/* Stops where the library found the misuse: the task ends in an oops, and in an
   interrupt or with oops=panic the machine does. Nothing is unwound, in Rust or in
   C. */
void hyaline_platform_panic(const char *message, size_t length)
{
	pr_emerg("hyaline: panic: %.*s\n", (int)length, message);
	BUG();
}

/* The control: readers and reclaimers without a barrier. */
static bool no_barrier;

static void hyaline_fence(void *unused)
{
	smp_mb();
}

/* An interrupt to all CPUs that are online, waited for; the library executes
   this CPU's own fences. Preemption is off, so none of them goes offline
   meanwhile. One that comes online marks itself so with an atomic operation that is
   a full fence: if it is not seen here, its readers see what was unlinked before.

   Where interrupts are masked, two CPUs would wait for each other; so it stops
   there. It cannot return: readers may hold what would be reclaimed. */
void hyaline_platform_heavy(void)
{
	if (READ_ONCE(no_barrier))
		return;
	/* Not in_interrupt(): bottom halves may be off. */
	BUG_ON(irqs_disabled() || in_hardirq() || in_serving_softirq());
	preempt_disable();
	smp_call_function(hyaline_fence, NULL, 1);
	preempt_enable();
}
