/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the library asks of Xen. Included by one file. */
#pragma once

#include <xen/irq.h>
#include <xen/lib.h>
#include <xen/smp.h>
#include <asm/system.h>

#define HYALINE_PLATFORM_BARRIER
#include "hyaline.h"

/* Stops where the library found the misuse. Nothing is unwound. */
void hyaline_platform_panic(const char *message, size_t length)
{
    panic("hyaline: panic: %.*s\n", (int)length, message);
}

/* The control: readers and reclaimers without a barrier. */
static bool no_barrier;

/*
 * A model of a store buffer, for the control: the store that begins a section
 * may be delayed, here by a call of this, until a fence on the same CPU. TCG's
 * processors delay stores, too, but hardly ever at the right time.
 */
static void (*delayed[NR_CPUS])(void);

static void do_delayed_store(void)
{
    void (*store)(void) = xchg(&delayed[smp_processor_id()], NULL);

    if ( store )
        store();
}

static void delay_store(void (*store)(void))
{
    ACCESS_ONCE(delayed[smp_processor_id()]) = store;
}

static bool store_is_delayed(void)
{
    return ACCESS_ONCE(delayed[smp_processor_id()]);
}

static void end_of_delay(void)
{
    local_irq_disable();
    do_delayed_store();
    local_irq_enable();
}

static void hyaline_fence(void *unused)
{
    do_delayed_store();
    smp_mb();
}

/*
 * An interrupt to all other CPUs that are online, waited for; the library
 * executes this CPU's own fences. Nothing in Xen preempts the caller, so that
 * it cannot move to another CPU meanwhile.
 */
void hyaline_platform_heavy(void)
{
    if ( ACCESS_ONCE(no_barrier) )
        return;
    BUG_ON(!local_irq_is_enabled() || in_irq());
    smp_call_function(hyaline_fence, NULL, 1);
}
