/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The module is unloaded while its collector is in use: refused while a file
   holds a section, waited for while a task of the module is in one. And misuse. */

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

/* The module stays loaded, with its interrupts, a task, and a file to open. The
   file comes when nothing can fail any more: it may be opened at once. */
static int begin_unload_test(void)
{
	bool begun = hyaline_begin();

	if (!begun || !HOLDS(misc_register(&device) == 0)) {
		cpuhp_remove_state(hotplug_state);
		if (begun)
			hyaline_end();
		return -EIO;
	}
	set_interrupt(hyaline_interrupt);
	resident_task = begin_task(resident, NULL, "resident");
	return 0;
}

static void __exit stop(void)
{
	unsigned long steps;

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
	vfree(pool_memory);
	vfree(far_memory);
}

/* A token of one collector, polled with a handle of another. */
static int misuse_it(void)
{
	static char memory[2][HYALINE_MEMORY(1)] __aligned(HYALINE_SLOT);
	static struct hyaline_collector one, other;
	struct hyaline_handle of_one, of_other;

	if (hyaline_init(&one, memory[0], sizeof(memory[0]), 1, NULL) ||
	    hyaline_init(&other, memory[1], sizeof(memory[1]), 1, NULL) || hyaline_register(&one, &of_one) ||
	    hyaline_register(&other, &of_other))
		return -EIO;
	struct hyaline_token token = hyaline_start(&of_one);

	pr_info("hyaline: PASS hyaline misuse-next\n");
	hyaline_poll(&of_other, &token);
	verdict(false, "hyaline", "misuse");
	return -EIO;
}
