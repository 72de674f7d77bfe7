/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The module is unloaded while its collector is in use: refused while a file
   holds a section, waited for while a task of the module is in one. And misuse: what it
   leaves. */

/* An open file is a section, and the kernel counts it as a user of the module. */
struct open_section {
	struct hyaline_handle handle;
	struct object *object;
	unsigned long value;
};

static int open_section(struct inode *inode, struct file *file)
{
	struct open_section *open = kmalloc(sizeof(*open), GFP_KERNEL);

	if (!open)
		return -ENOMEM;
	if (hyaline_register(&hyaline_collector, &open->handle) != HYALINE_OK) {
		kfree(open);
		return -EUSERS;
	}
	hyaline_enter(&open->handle);
	open->object = hyaline_protect(&open->handle, &hyaline_places[0]);
	open->value = open->object->value;
	file->private_data = open;
	/* It is replaced at once. */
	struct object *mine = new_object();

	hyaline_stamp(&open->handle, &mine->link);
	hyaline_put(&open->handle, &hyaline_places[0], mine);
	return 0;
}

static int close_section(struct inode *inode, struct file *file)
{
	struct open_section *open = file->private_data;

	verdict(whole(open->object, open->value), "hyaline", "file");
	hyaline_leave(&open->handle);
	hyaline_unregister(&open->handle);
	kfree(open);
	return 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = open_section,
	.release = close_section,
};
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hyaline",
	.fops = &operations,
};

/* Odd in a section. */
static unsigned long resident_steps;
static struct task_struct *resident_task;

static int resident(void *argument)
{
	struct hyaline_handle handle;
	bool registered = HOLDS(hyaline_register(&hyaline_collector, &handle) == HYALINE_OK);

	while (registered && !kthread_should_stop()) {
		hyaline_enter(&handle);
		struct object *object = hyaline_protect(&handle, &hyaline_places[1]);
		unsigned long value = object->value;

		WRITE_ONCE(resident_steps, resident_steps + 1);
		msleep(200);
		HOLDS(whole(object, value));
		WRITE_ONCE(resident_steps, resident_steps + 1);
		hyaline_leave(&handle);
	}
	if (registered)
		hyaline_unregister(&handle);
	wait_for_stop();
	return 0;
}

static int hotplug_state;

static void free_memory(void)
{
	vfree(pool_memory);
	vfree(far_memory);
}

/* The module stays loaded, with its interrupts, a task, and a file to open. The
   file comes when nothing can fail any more: it may be opened at once. */
static int begin_unload_test(void)
{
	bool begun = hyaline_begin();
	int result = begun ? misc_register(&device) : -EIO;

	if (result) {
		cpuhp_remove_state(hotplug_state);
		if (begun)
			hyaline_end();
		return result;
	}
	set_interrupt(hyaline_interrupt);
	resident_task = begin_task(resident, NULL, "resident");
	return 0;
}

static void __exit stop(void)
{
	unsigned long steps;

	if (misuse)
		return;
	misc_deregister(&device);
	cpuhp_remove_state(hotplug_state);

	/* A reader is inside: destroy refuses, synchronize waits for it. */
	while (!((steps = READ_ONCE(resident_steps)) & 1) && !READ_ONCE(failed))
		one_jiffy(NULL);
	HOLDS(hyaline_destroy(&hyaline_collector) == HYALINE_BUSY);
	HOLDS(hyaline_synchronize(&hyaline_me, one_jiffy, NULL) == HYALINE_OK);
	verdict(READ_ONCE(resident_steps) > steps, "hyaline", "unload-waits");

	end_task(resident_task);
	verdict(hyaline_end() && !failed, "hyaline", "unload");
	free_memory();
}

static struct hyaline_handle misuser, of_other;
static struct completion begun;

/* Polls a token of another collector, in a section. */
static int misuse_token(void *unused)
{
	struct hyaline_token token = hyaline_start(&of_other);
	struct object *mine = new_object();

	hyaline_enter(&misuser);
	hyaline_defer_retire(&misuser, &mine->link, mine->reclaim);
	complete(&begun);
	pr_info("hyaline: PASS hyaline misuse-next\n");
	hyaline_poll(&misuser, &token);
	verdict(false, "hyaline", "misuse");
	return 0;
}

/* The task ends in its section. Its slot is taken from it, what it retired is
   reclaimed, and the module can be unloaded. */
static int misuse_task(void)
{
	static char memory[2][HYALINE_MEMORY(2)] __aligned(HYALINE_SLOT);
	struct hyaline_collector one, other;
	struct hyaline_handle of_one;

	if (hyaline_init(&one, memory[0], sizeof(memory[0]), 2, NULL) ||
	    hyaline_init(&other, memory[1], sizeof(memory[1]), 2, NULL) || hyaline_register(&one, &misuser) ||
	    hyaline_register(&one, &of_one) || hyaline_register(&other, &of_other))
		return -EIO;
	init_completion(&begun);
	struct task_struct *task = kthread_create(misuse_token, NULL, "misuser");

	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	wake_up_process(task);
	wait_for_completion(&begun);
	/* Returns when it has ended. */
	kthread_stop(task);
	put_task_struct(task);
	HOLDS(hyaline_evict(&one, hyaline_id(&misuser)) == HYALINE_OK);
	hyaline_unregister(&misuser);
	hyaline_flush(&of_one);
	HOLDS(atomic_long_read(&made) == 1 && atomic_long_read(&freed) == 1);
	hyaline_unregister(&of_one);
	hyaline_unregister(&of_other);
	HOLDS(hyaline_destroy(&one) == HYALINE_OK && hyaline_destroy(&other) == HYALINE_OK);
	verdict(!failed, "hyaline", "misuse");
	return 0;
}

static void retire_with_interrupt(void *object)
{
	pr_info("hyaline: PASS hyaline misuse-next\n");
	hyaline_platform_retire(&hyaline_platform_me, object, reclaim_kmalloc);
	hyaline_platform_flush(&hyaline_platform_me);
	verdict(false, "hyaline", "misuse");
}

/* An interrupt retires with an eager handle, whose barrier is an interrupt: the
   machine stops. */
static int misuse_interrupt(void)
{
	static char memory[HYALINE_MEMORY(1)] __aligned(HYALINE_SLOT);

	if (hyaline_platform_init(&hyaline_platform_collector, memory, sizeof(memory), 1, NULL) ||
	    hyaline_platform_register(&hyaline_platform_collector, &hyaline_platform_me))
		return -EIO;
	struct object *mine = new_object();
	/* On this CPU it would be a plain call. */
	unsigned int cpu = cpumask_any_but(cpu_online_mask, get_cpu());
	int result = smp_call_function_single(cpu, retire_with_interrupt, &mine->link, 1);

	put_cpu();
	return result;
}
