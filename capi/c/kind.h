/* The tests of one kind of collector: included once for each by test.c, which
   defines HYALINE_PREFIX. */

struct HYALINE_(world) {
	struct HYALINE_(collector) collector;
	struct hyaline_atomic shared[2];
	atomic_int stop;
	atomic_long reads, frees;
};

static void HYALINE_(read)(struct HYALINE_(world) *world, struct HYALINE_(handle) *handle, int place)
{
	HYALINE_(enter)(handle);
	struct object *object = HYALINE_(protect)(handle, &world->shared[place]);
	check_object(object);
	if (broken)
		sched_yield();
	check_object(object);
	HYALINE_(leave)(handle);
	atomic_fetch_add_explicit(&world->reads, 1, memory_order_relaxed);
}

static void *HYALINE_(reader)(void *argument)
{
	struct HYALINE_(world) *world = argument;
	static atomic_int turn;
	int role = atomic_fetch_add(&turn, 1) % 3;
	struct HYALINE_(handle) handle;
	int claimed = role == 0   ? HYALINE_(register)(&world->collector, &handle)
		      : role == 1 ? HYALINE_(register_deferred)(&world->collector, &handle)
				  : HYALINE_(register_per_cpu)(&world->collector, &handle);
	CHECK(claimed == HYALINE_OK);
	for (int place = 0; !atomic_load(&world->stop); place ^= 1) {
		HYALINE_(read)(world, &handle, place);
		if (role != 0) {
			struct object *mine = new_object();
			HYALINE_(stamp)(&handle, &mine->link);
			HYALINE_(enter)(&handle);
			struct object *old = HYALINE_(swap)(&handle, &world->shared[place], mine);
			check_object(old);
			HYALINE_(defer_retire)(&handle, &old->link, free_object);
			check_object(old);
			HYALINE_(leave)(&handle);
			/* An eager one reclaims it. */
			nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
		}
	}
	HYALINE_(unregister)(&handle);
	return NULL;
}

static void HYALINE_(write)(struct HYALINE_(handle) *handle, struct hyaline_atomic *place)
{
	struct object *mine = new_object();
	HYALINE_(stamp)(handle, &mine->link);
	HYALINE_(enter)(handle);
	void *found = HYALINE_(protect)(handle, place);
	while (!HYALINE_(compare_exchange_weak)(handle, place, &found, mine))
		check_object(found);
	struct object *old = found;
	if (broken)
		free_object(&old->link);
	else
		HYALINE_(defer_retire)(handle, &old->link, free_object);
	HYALINE_(leave)(handle);
}

static void *HYALINE_(writer)(void *argument)
{
	struct HYALINE_(world) *world = argument;
	struct HYALINE_(handle) handle;
	CHECK(HYALINE_(register)(&world->collector, &handle) == HYALINE_OK);
	for (long round = 0; !atomic_load(&world->stop); round++) {
		HYALINE_(write)(&handle, &world->shared[round & 1]);
		if (round % 64 == 0)
			HYALINE_(flush)(&handle);
		if (round % 1000 == 0)
			CHECK(HYALINE_(synchronize)(&handle, relax, NULL) == HYALINE_OK);
	}
	HYALINE_(unregister)(&handle);
	return NULL;
}

static void *HYALINE_(make)(struct HYALINE_(collector) *collector, size_t slots)
{
	struct hyaline_config config = { .batch = 8, .era_step = 4 };
	size_t bytes = HYALINE_(size)(slots), align = HYALINE_(align)();
	CHECK(bytes && bytes <= HYALINE_MEMORY(slots) && align <= HYALINE_SLOT);
	char *memory = aligned_alloc(align, bytes);
	CHECK(memory);
	memset(memory, 0xaa, bytes);
	CHECK(HYALINE_(init_checked)(collector, memory, bytes, slots, NULL, HYALINE_ABI ^ 1) == HYALINE_WRONG_HEADER);
	CHECK(HYALINE_(init)(collector, memory, bytes - 1, slots, &config) == HYALINE_BAD_MEMORY);
	CHECK(HYALINE_(init)(collector, memory + 8, bytes, slots, &config) == HYALINE_BAD_MEMORY);
	CHECK(HYALINE_(init)(collector, NULL, bytes, slots, &config) == HYALINE_BAD_MEMORY);
	CHECK(HYALINE_(init)(collector, memory, bytes, 0, &config) == HYALINE_BAD_ARGUMENT);
	CHECK(HYALINE_(init)(collector, memory, bytes, SIZE_MAX / 16, &config) == HYALINE_BAD_ARGUMENT);
	config.batch = 65536;
	CHECK(HYALINE_(init)(collector, memory, bytes, slots, &config) == HYALINE_BAD_ARGUMENT);
	config.batch = 8;
	CHECK(HYALINE_(init)(collector, memory, bytes, slots, &config) == HYALINE_OK);
	return memory;
}

static void HYALINE_(stress)(int threads, int milliseconds)
{
	struct HYALINE_(world) world = { 0 };
	void *memory = HYALINE_(make)(&world.collector, threads + 1);
	pthread_t all[16];
	freed = 0;
	made = 0;
	hyaline_store(&world.shared[0], new_object());
	hyaline_store(&world.shared[1], new_object());
	for (int i = 0; i < threads; i++)
		CHECK(!pthread_create(&all[i], NULL, i % 4 == 3 ? HYALINE_(writer) : HYALINE_(reader), &world));
	nanosleep(&(struct timespec){ .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000 }, NULL);
	if (!threads) {
		struct HYALINE_(handle) handle;
		CHECK(HYALINE_(register)(&world.collector, &handle) == HYALINE_OK);
		for (int round = 0; round < 10000; round++) {
			HYALINE_(read)(&world, &handle, round & 1);
			HYALINE_(write)(&handle, &world.shared[round & 1]);
		}
		HYALINE_(unregister)(&handle);
	}
	atomic_store(&world.stop, 1);
	for (int i = 0; i < threads; i++)
		CHECK(!pthread_join(all[i], NULL));
	CHECK(HYALINE_(destroy)(&world.collector) == HYALINE_OK);
	free(hyaline_load(&world.shared[0]));
	free(hyaline_load(&world.shared[1]));
	CHECK(atomic_load(&made) == atomic_load(&freed) + 2);
	free(memory);
	printf("%s: %ld reads, %ld objects reclaimed\n", NAME(HYALINE_PREFIX), atomic_load(&world.reads), atomic_load(&freed));
}

/* Misuse ends in the hook. */
static void HYALINE_(misuse)(void)
{
	struct HYALINE_(collector) one, other;
	struct HYALINE_(handle) of_one, of_other;
	HYALINE_(make)(&one, 1);
	HYALINE_(make)(&other, 1);
	CHECK(HYALINE_(register)(&one, &of_one) == HYALINE_OK);
	CHECK(HYALINE_(register)(&other, &of_other) == HYALINE_OK);
	struct hyaline_token token = HYALINE_(start)(&of_one);
	HYALINE_(poll)(&of_other, &token);
}

/* Each function, on one thread. */
static void HYALINE_(calls)(void)
{
	struct HYALINE_(collector) collector, other;
	struct HYALINE_(handle) task, irq, cpu, none;
	struct hyaline_slot_state state;
	struct hyaline_stats stats;
	void *memory = HYALINE_(make)(&collector, 3), *rest = HYALINE_(make)(&other, 1);
	freed = 0;
	made = 0;

	CHECK(HYALINE_(register)(&collector, &task) == HYALINE_OK);
	CHECK(HYALINE_(register_deferred)(&collector, &irq) == HYALINE_OK);
	CHECK(HYALINE_(register_per_cpu)(&collector, &cpu) == HYALINE_OK);
	CHECK(HYALINE_(register)(&collector, &none) == HYALINE_NO_SLOT);
	CHECK(HYALINE_(destroy)(&collector) == HYALINE_BUSY);
	CHECK(HYALINE_(slot)(&task) == 0 && HYALINE_(slot)(&cpu) == 2);

	/* Sections, without and with an object; they nest. */
	struct HYALINE_(guard) guard = HYALINE_(guard_enter)(&task);
	HYALINE_(enter)(&task);
	CHECK(HYALINE_(slot_state)(&collector, 0, &state) && state.guards == 2 && state.claimed);
	CHECK(!HYALINE_(slot_state)(&collector, 3, &state));
	CHECK(HYALINE_(synchronize)(&task, NULL, NULL) == HYALINE_WOULD_DEADLOCK);
	HYALINE_(leave)(&task);
	HYALINE_(guard_leave)(&guard);
	HYALINE_(guard_leave)(&guard);
	CHECK(HYALINE_(slot_state)(&collector, 0, &state) && state.guards == 0);
	CHECK(HYALINE_(synchronize)(&task, NULL, NULL) == HYALINE_OK);
	CHECK(HYALINE_(synchronize)(&irq, NULL, NULL) == HYALINE_NOT_EAGER);

	/* Shared pointers. */
	struct hyaline_atomic place = { 0 };
	struct object *first = new_object(), *second = new_object();
	HYALINE_(stamp)(&task, &first->link);
	HYALINE_(stamp)(&irq, &second->link);
	HYALINE_(enter)(&task);
	HYALINE_(protect_own)(&task, &first->link);
	CHECK(!HYALINE_(swap)(&task, &place, first));
	CHECK(HYALINE_(protect)(&task, &place) == first && hyaline_load(&place) == first);
	void *expected = NULL;
	CHECK(!HYALINE_(compare_exchange)(&task, &place, &expected, second) && expected == first);
	CHECK(HYALINE_(compare_exchange)(&task, &place, &expected, second) && expected == first);
	HYALINE_(defer_retire)(&task, &first->link, free_object);
	check_object(first);
	CHECK(HYALINE_(flush)(&task) == 0 && freed == 0);
	HYALINE_(leave)(&task);
	HYALINE_(flush)(&task);
	CHECK(freed == 1);

	/* No section is open: at once. A deferred handle leaves it to others. */
	hyaline_store(&place, NULL);
	HYALINE_(retire)(&irq, &second->link, free_object);
	CHECK(HYALINE_(flush)(&irq) == 0 && HYALINE_(collect)(&cpu, 1) == 0 && freed == 1);
	CHECK(HYALINE_(collect)(&task, 0) == 0 && HYALINE_(collect)(&task, 7) == 1 && freed == 2);
	HYALINE_(retire)(&task, &new_object()->link, free_object);
	CHECK(freed == 3);

	/* Limits. */
	CHECK(HYALINE_(limit_reclaims)(&irq, 1) == HYALINE_NOT_EAGER);
	CHECK(HYALINE_(limit_reclaims)(&task, 65536) == HYALINE_BAD_ARGUMENT);
	CHECK(HYALINE_(limit_reclaims)(&task, 1) == HYALINE_OK);
	for (int i = 0; i < 3; i++)
		HYALINE_(retire)(&cpu, &new_object()->link, free_object);
	CHECK(HYALINE_(flush)(&task) == 1 && HYALINE_(collect)(&task, 2) == 2);
	CHECK(HYALINE_(limit_reclaims)(&task, 0) == HYALINE_OK && HYALINE_(flush)(&task) == 0);

	/* The maker uses its object after it has shared it. An object that a deferred
	   handle stamps begins an era. */
	struct object *own = new_object();
	expected = NULL;
	HYALINE_(enter)(&task);
	HYALINE_(stamp)(&irq, &own->link);
	HYALINE_(protect_own)(&task, &own->link);
	CHECK(HYALINE_(compare_exchange)(&task, &place, &expected, own));
	HYALINE_(enter)(&irq);
	CHECK(HYALINE_(swap)(&irq, &place, NULL) == own);
	HYALINE_(defer_retire)(&irq, &own->link, free_object);
	HYALINE_(leave)(&irq);
	CHECK(HYALINE_(flush)(&task) == 0 && freed == 6);
	check_object(own);
	HYALINE_(leave)(&task);
	HYALINE_(flush)(&task);
	CHECK(freed == 7);

	/* A plain load finds an object with a link of zeros. */
	hyaline_store(&place, own = new_object());
	HYALINE_(enter)(&task);
	own = hyaline_load(&place);
	HYALINE_(stamp)(&irq, &(struct hyaline_link){ 0 }); /* an era begins */
	hyaline_store(&place, NULL);
	HYALINE_(retire)(&irq, &own->link, free_object);
	CHECK(HYALINE_(flush)(&task) == 0 && freed == 7);
	check_object(own);
	HYALINE_(leave)(&task);
	HYALINE_(flush)(&task);
	CHECK(freed == 8);

	/* Grace periods. */
	HYALINE_(enter)(&cpu);
	struct hyaline_token token = HYALINE_(start)(&task);
	CHECK(!HYALINE_(poll)(&irq, &token));
	CHECK(HYALINE_(oldest)(&collector, &state) ? state.slot == 2 : state.guards == 0);
	HYALINE_(refresh)(&cpu);
	CHECK(HYALINE_(poll)(&task, &token) && HYALINE_(poll)(&task, &token));
	HYALINE_(leave)(&cpu);
	/* A token waits for one section that begins later, the caller's own too. */
	token = HYALINE_(start)(&task);
	HYALINE_(enter)(&task);
	CHECK(!HYALINE_(poll)(&task, &token));
	HYALINE_(leave)(&task);
	CHECK(HYALINE_(poll)(&task, &token));
	HYALINE_(enter)(&cpu);
	static struct hyaline_callback callback;
	int called = 0;
	CHECK(HYALINE_(call_later)(&irq, &callback, count, &called) == HYALINE_OK);
	CHECK(HYALINE_(call_later)(&task, &callback, count, &called) == HYALINE_BUSY);
	HYALINE_(flush)(&task);
	CHECK(called == 0);
	CHECK(HYALINE_(request_restart)(&collector, 2) && !HYALINE_(request_restart)(&collector, 1));
	CHECK(HYALINE_(restart_requested)(&cpu) && !HYALINE_(restart_requested)(&cpu));
	/* A request that a section did not see is for the next. */
	HYALINE_(enter)(&irq);
	CHECK(HYALINE_(request_restart)(&collector, 1));
	HYALINE_(leave)(&irq);
	HYALINE_(enter)(&irq);
	CHECK(HYALINE_(restart_requested)(&irq) && !HYALINE_(restart_requested)(&irq));
	HYALINE_(leave)(&irq);
	HYALINE_(leave)(&cpu);
	HYALINE_(flush)(&task);
	CHECK(called == 1);
	CHECK(HYALINE_(call_later)(&task, &callback, count, &called) == HYALINE_OK);
	HYALINE_(flush)(&task);
	CHECK(called == 2);
	/* A limit holds for it, too. */
	CHECK(HYALINE_(limit_reclaims)(&task, 1) == HYALINE_OK);
	for (int i = 0; i < 3; i++)
		HYALINE_(retire)(&cpu, &new_object()->link, free_object);
	CHECK(HYALINE_(flush)(&task) == 1);
	long before = freed;
	CHECK(HYALINE_(call_later)(&task, &callback, count, &called) == HYALINE_OK);
	CHECK(freed - before + called - 2 == 1);
	CHECK(HYALINE_(limit_reclaims)(&task, 0) == HYALINE_OK);
	HYALINE_(flush)(&task);
	CHECK(called == 3);

	/* A task dies in a section. */
	struct hyaline_id id = HYALINE_(id)(&irq);
	HYALINE_(enter)(&irq);
	CHECK(!HYALINE_(is_evicted)(&irq) && HYALINE_(evict)(&collector, id) == HYALINE_OK);
	CHECK(HYALINE_(is_evicted)(&irq) && HYALINE_(evict)(&collector, id) == HYALINE_NOT_THE_OWNER);
	HYALINE_(unregister)(&irq);
	CHECK(HYALINE_(register)(&collector, &irq) == HYALINE_OK);

	/* Pools. */
	struct hyaline_pool pool;
	enum { BLOCKS = 3 };
	size_t bytes = hyaline_pool_size(sizeof(struct object), BLOCKS);
	char *blocks = aligned_alloc(16, (bytes + 15) / 16 * 16);
	CHECK(hyaline_pool_init(&pool, blocks, bytes - 1, sizeof(struct object), BLOCKS) == HYALINE_BAD_MEMORY);
	CHECK(hyaline_pool_init(&pool, NULL, bytes, sizeof(struct object), BLOCKS) == HYALINE_BAD_MEMORY);
	CHECK(hyaline_pool_init(&pool, blocks + 8, bytes, sizeof(struct object), BLOCKS) == HYALINE_BAD_MEMORY);
	CHECK(hyaline_pool_init(&pool, blocks, bytes, 8, BLOCKS) == HYALINE_BAD_ARGUMENT);
	CHECK(hyaline_pool_init(&pool, blocks, bytes, SIZE_MAX, BLOCKS) == HYALINE_BAD_ARGUMENT);
	CHECK(hyaline_pool_init(&pool, blocks, bytes, 64, SIZE_MAX / 8) == HYALINE_BAD_ARGUMENT);
	CHECK(hyaline_pool_init(&pool, blocks, bytes, sizeof(struct object), BLOCKS) == HYALINE_OK);
	struct object *objects[BLOCKS];
	for (int i = 0; i < BLOCKS; i++) {
		objects[i] = HYALINE_(pool_alloc)(i ? &task : &cpu, &pool);
		CHECK(objects[i] && (uintptr_t)objects[i] % 16 == 0);
		set_object(objects[i]);
	}
	CHECK(!HYALINE_(pool_alloc)(&task, &pool) && hyaline_pool_available(&pool) == 0);
	hyaline_pool_free(objects[0]);
	CHECK(HYALINE_(pool_alloc)(&task, &pool) == objects[0]);
	for (int i = 0; i < BLOCKS; i++)
		HYALINE_(retire)(&cpu, &objects[i]->link, hyaline_pool_reclaim);
	CHECK(!HYALINE_(pool_alloc)(&cpu, &pool));
	CHECK(HYALINE_(pool_alloc)(&task, &pool) && hyaline_pool_available(&pool) == BLOCKS - 1);

	int counted = HYALINE_(stats)(&collector, &stats);
	CHECK(counted == HYALINE_NOT_BUILT || (counted == HYALINE_OK && stats.retired == stats.reclaimed));
	CHECK(atomic_load(&made) == atomic_load(&freed));

	/* What is left is reclaimed with the collector. */
	HYALINE_(retire)(&cpu, &new_object()->link, free_object);
	HYALINE_(unregister)(&irq);
	HYALINE_(unregister)(&cpu);
	/* An eager handle reclaims when it is released, so the last one is not. */
	HYALINE_(unregister)(&task);
	CHECK(HYALINE_(register_per_cpu)(&collector, &cpu) == HYALINE_OK);
	HYALINE_(retire)(&cpu, &new_object()->link, free_object);
	HYALINE_(unregister)(&cpu);
	CHECK(atomic_load(&made) == atomic_load(&freed) + 1);
	CHECK(HYALINE_(destroy)(&collector) == HYALINE_OK && HYALINE_(destroy)(&other) == HYALINE_OK);
	CHECK(atomic_load(&made) == atomic_load(&freed));
	free(memory);
	free(rest);
	free(blocks);
	panics(HYALINE_(misuse));
}
