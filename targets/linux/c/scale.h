/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Operations for the kernel's refscale.c and rcuscale.c, which `cargo xtask linux
   --scale` makes include this file: the readers of hyaline, hyaline_robust and
   hyaline_platform with preemption off, on the handle of the CPU, and those of
   hyaline_task and so on, on a handle of the task. HYALINE_REFSCALE tells the
   files apart. */
#include "hooks.h"

static void hyaline_relax(void *unused)
{
	schedule_timeout_uninterruptible(1);
}

static void hyaline_relax_briefly(void *unused)
{
	cond_resched();
	cpu_relax();
}

#define HYALINE_PREFIX hyaline
#include "scale_kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust
#include "scale_kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_platform
#include "scale_kind.h"
#undef HYALINE_PREFIX

#ifdef HYALINE_REFSCALE
#define HYALINE_READERS(prefix) \
	{ \
		.init = prefix##_begin, .cleanup = prefix##_end, .readsection = prefix##_cpu_sections, \
		.delaysection = prefix##_cpu_delays, .name = #prefix, \
	}, \
	{ \
		.init = prefix##_begin, .cleanup = prefix##_end, .readsection = prefix##_task_sections, \
		.delaysection = prefix##_task_delays, .name = #prefix "_task", \
	}
static struct ref_scale_ops hyaline_ops[] = {
	HYALINE_READERS(hyaline),
	HYALINE_READERS(hyaline_robust),
	HYALINE_READERS(hyaline_platform),
};
#define HYALINE_SCALE_OPS \
	&hyaline_ops[0], &hyaline_ops[1], &hyaline_ops[2], &hyaline_ops[3], &hyaline_ops[4], &hyaline_ops[5],
#else
#define HYALINE_GRACE(prefix) \
	{ \
		.ptype = INVALID_RCU_FLAVOR, .init = prefix##_begin, .cleanup = prefix##_end, \
		.readlock = prefix##_cpu_lock, .readunlock = prefix##_cpu_unlock, .get_gp_seq = rcu_no_completed, \
		.exp_completed = rcu_no_completed, .sync = prefix##_sync, .exp_sync = prefix##_exp_sync, \
		.name = #prefix, \
	}
static struct rcu_scale_ops hyaline_ops[] = {
	HYALINE_GRACE(hyaline),
	HYALINE_GRACE(hyaline_robust),
	HYALINE_GRACE(hyaline_platform),
};
#define HYALINE_SCALE_OPS &hyaline_ops[0], &hyaline_ops[1], &hyaline_ops[2],
#endif
