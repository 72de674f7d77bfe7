/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The sections with preemption off and the grace periods of one kind of collector,
   for torture_kind.h and scale_kind.h, which define HYALINE_(collector) and
   HYALINE_(of_cpu). */

static int HYALINE_(cpu_lock)(void)
{
	preempt_disable();
	HYALINE_(enter)(this_cpu_ptr(&HYALINE_(of_cpu)));
	return 0;
}

static void HYALINE_(cpu_unlock)(int index)
{
	HYALINE_(leave)(this_cpu_ptr(&HYALINE_(of_cpu)));
	preempt_enable();
}

static void HYALINE_(wait)(void (*relax)(void *unused))
{
	struct HYALINE_(handle) handle;

	if (WARN_ON(HYALINE_(register)(&HYALINE_(collector), &handle)))
		return;
	WARN_ON(HYALINE_(synchronize)(&handle, relax, NULL));
	HYALINE_(unregister)(&handle);
}

static void HYALINE_(sync)(void)
{
	HYALINE_(wait)(hyaline_relax);
}

static void HYALINE_(exp_sync)(void)
{
	HYALINE_(wait)(hyaline_relax_briefly);
}
