/* The tests of one kind of collector: included once for each by test.c, which
   defines HYALINE_PREFIX and ROBUST. */

/* The tasks, the supervisor or the victim, the interrupt, the idle hook. */
#define SLOTS (TASKS + 4)

static _Alignas(HYALINE_SLOT) char HYALINE_(memory)[HYALINE_MEMORY(SLOTS)];
static struct HYALINE_(collector) HYALINE_(collector);
static struct HYALINE_(handle) HYALINE_(of_interrupt), HYALINE_(of_idle);
static struct hyaline_atomic HYALINE_(places)[PLACES];

/* A section that reads an object, calls `between`, and reads it again. */
static void HYALINE_(read)(const struct HYALINE_(handle) *handle, struct seat *seat, void (*between)(void *))
{
	struct hyaline_atomic *place = &HYALINE_(places)[seat->reads % PLACES];
	HYALINE_(enter)(handle);
	const struct object *object = HYALINE_(protect)(handle, place);
	uint32_t value = object->value;
	seat->inside = true;
	for (int looks = 0; looks < 16; looks++)
		seat->torn += !whole(object, value);
	if (between)
		between(NULL);
	seat->held += hyaline_load(place) != object;
	seat->torn += !whole(object, value);
	seat->inside = false;
	HYALINE_(leave)(handle);
	seat->reads++;
}

/* Puts a new object into a place. Returns the old one, or null if the pool is
   empty. */
static struct object *HYALINE_(exchange)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place)
{
	struct object *mine = HYALINE_(pool_alloc)(handle, &pool);
	if (!mine)
		return NULL;
	set(mine);
	HYALINE_(enter)(handle);
	struct object *old = HYALINE_(swap)(handle, place, mine);
	HYALINE_(leave)(handle);
	return old;
}

static bool HYALINE_(replace)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place)
{
	HYALINE_(enter)(handle);
	struct object *old = HYALINE_(exchange)(handle, place);
	if (old)
		HYALINE_(defer_retire)(handle, &old->link, reclaim);
	HYALINE_(leave)(handle);
	return old;
}

static void HYALINE_(reader)(void *argument)
{
	struct seat *seat = argument;
	struct HYALINE_(handle) handle;
	CHECK(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK);
	while (!stop) {
		HYALINE_(read)(&handle, seat, NULL);
		if (seat->reads % 64 == 0)
			vTaskDelay(1);
	}
	HYALINE_(unregister)(&handle);
	leave_seat(seat);
}

/* Sleeps in its sections. */
static void HYALINE_(sleeper)(void *argument)
{
	struct seat *seat = argument;
	struct HYALINE_(handle) handle;
	CHECK(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK);
	while (!stop)
		HYALINE_(read)(&handle, seat, one_tick);
	HYALINE_(unregister)(&handle);
	leave_seat(seat);
}

/* Replaces an object, and retires the old one. Occasionally it waits for the
   readers instead, and frees the old one manually. */
static void HYALINE_(writer)(void *argument)
{
	struct seat *seat = argument;
	struct HYALINE_(handle) handle;
	CHECK(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK);
	for (uint32_t turn = 0; !stop; turn++) {
		struct hyaline_atomic *place = &HYALINE_(places)[turn % PLACES];
		bool wait = turn % 5 == 0;
		if (!rash && !wait) {
			seat->refused += !HYALINE_(replace)(&handle, place);
		} else {
			struct object *old = HYALINE_(exchange)(&handle, place);
			if (!rash)
				CHECK(HYALINE_(synchronize)(&handle, one_tick, NULL) == HYALINE_OK);
			if (old)
				reclaim(&old->link);
			else
				seat->refused++;
		}
		if (turn % 4 == 3)
			vTaskDelay(1);
	}
	HYALINE_(unregister)(&handle);
	leave_seat(seat);
}

/* Reads and replaces an object. No reclaimer runs here. */
static void HYALINE_(interrupt)(void)
{
	const struct HYALINE_(handle) *handle = &HYALINE_(of_interrupt);
	struct seat *seat = &seats[INTERRUPT];
	HYALINE_(read)(handle, seat, NULL);
	struct object *old = HYALINE_(exchange)(handle, &HYALINE_(places)[seat->reads % PLACES]);
	if (old)
		HYALINE_(retire)(handle, &old->link, reclaim);
	else
		seat->refused++;
}

static void HYALINE_(idle)(void)
{
	idled += HYALINE_(collect)(&HYALINE_(of_idle), 4);
}

/* Dies in its section, with an object that it retired and has not published. */
static void HYALINE_(victim)(void *argument)
{
	struct HYALINE_(handle) handle;
	(void)argument;
	CHECK(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK);
	CHECK(HYALINE_(replace)(&handle, &HYALINE_(places)[0]));
	victim.id = HYALINE_(id)(&handle);
	victim.slot = HYALINE_(slot)(&handle);
	HYALINE_(enter)(&handle);
	victim.object = HYALINE_(protect)(&handle, &HYALINE_(places)[0]);
	victim.value = victim.object->value;
	victim.ready = true;
	vTaskSuspend(NULL);
	CHECK(!"a task that is deleted runs");
}

/* When the last user is gone, the idle hook reclaims every block. */
static void HYALINE_(check_reclaimed)(void)
{
	timer(false);
	vTaskDelay(DRAIN);
	CHECK(hyaline_pool_available(&pool) == blocks - PLACES);
	timer(true);
}

static void HYALINE_(work)(bool reclaim_at_once)
{
	static void (*const bodies[TASKS])(void *) = {
		HYALINE_(reader), HYALINE_(reader), HYALINE_(sleeper), HYALINE_(writer),
	};
	static const UBaseType_t priorities[TASKS] = { READER, READER, SLEEPER, WRITER };
	memset(seats, 0, sizeof seats);
	in_section = in_kernel = idled = 0;
	stop = false;
	rash = reclaim_at_once;
	for (int i = 0; i < TASKS; i++)
		begin(bodies[i], &seats[i], priorities[i]);
	vTaskDelay(WORK);
	stop = true;
	for (int i = 0; i < TASKS; i++)
		while (!seats[i].done)
			vTaskDelay(1);
	HYALINE_(check_reclaimed)();
}

static void HYALINE_(check_work)(void)
{
	const char *name = NAME(HYALINE_PREFIX);
	HYALINE_(work)(false);
	say(name, "sections of the tasks", seats[FIRST].reads + seats[SECOND].reads + seats[THIRD].reads);
	say(name, "interrupts", seats[INTERRUPT].reads);
	say(name, "interrupts while a reader was in a section", in_section);
	say(name, "interrupts in the kernel's critical sections", in_kernel);
	say(name, "objects replaced while they were read", seats[FIRST].held + seats[SECOND].held + seats[THIRD].held);
	say(name, "objects reclaimed by the idle hook", idled);
	CHECK(all_torn() == 0);
	for (int i = 0; i < TASKS - 1; i++)
		CHECK(seats[i].reads && seats[i].held);
	CHECK(seats[INTERRUPT].reads && in_section && idled);
	CHECK(configUSE_TICK_HOOK || in_kernel);
	CHECK(!ROBUST || !(seats[FOURTH].refused || seats[INTERRUPT].refused));
}

static void HYALINE_(check_deleted)(void)
{
	struct HYALINE_(handle) me;
	struct hyaline_slot_state state;
	uint32_t refused = 0;
	victim.ready = false;
	TaskHandle_t task = begin(HYALINE_(victim), NULL, SLEEPER);
	while (!victim.ready)
		vTaskDelay(1);
	vTaskDelete(task);
	/* It holds back everything in basic mode, and a bounded number of objects in
	   robust mode. */
	CHECK(HYALINE_(register)(&HYALINE_(collector), &me) == HYALINE_OK);
	for (uint32_t turn = 0; turn < 4 * blocks && refused < 16; turn++)
		refused += !HYALINE_(replace)(&me, &HYALINE_(places)[turn % PLACES]);
	HYALINE_(unregister)(&me);
	CHECK(ROBUST ? refused == 0 : refused > 0);
	vTaskDelay(DRAIN);
	CHECK(whole(victim.object, victim.value));
	CHECK(hyaline_pool_available(&pool) < blocks - PLACES);
	CHECK(HYALINE_(slot_state)(&HYALINE_(collector), victim.slot, &state) && state.claimed && state.guards == 1);
	CHECK(HYALINE_(evict)(&HYALINE_(collector), victim.id) == HYALINE_OK);
	CHECK(HYALINE_(evict)(&HYALINE_(collector), victim.id) == HYALINE_NOT_THE_OWNER);
	HYALINE_(check_reclaimed)();
	CHECK(HYALINE_(slot_state)(&HYALINE_(collector), victim.slot, &state) && !state.claimed);
	say(NAME(HYALINE_PREFIX), "writes refused while a deleted task held the pool", refused);
}

static void HYALINE_(check_control)(void)
{
	HYALINE_(work)(true);
	say(NAME(HYALINE_PREFIX), "control, looks at what was reclaimed at once", all_torn());
	CHECK(all_torn() > 0);
}

/* A task and the interrupt share a small pool: how often they find no free block.
   What the task has not published is held by its own next section. */
static uint32_t HYALINE_(refused_with)(size_t batch)
{
	const struct hyaline_config small = { .batch = batch };
	struct HYALINE_(handle) me;
	CHECK(hyaline_pool_init(&pool, pool_memory, sizeof pool_memory, sizeof(struct object), SMALL) == HYALINE_OK);
	CHECK(HYALINE_(init)(&HYALINE_(collector), HYALINE_(memory), sizeof HYALINE_(memory), 2, &small) == HYALINE_OK);
	CHECK(HYALINE_(register_deferred)(&HYALINE_(collector), &HYALINE_(of_interrupt)) == HYALINE_OK);
	CHECK(HYALINE_(register)(&HYALINE_(collector), &me) == HYALINE_OK);
	for (int i = 0; i < PLACES; i++) {
		hyaline_store(&HYALINE_(places)[i], NULL);
		CHECK(!HYALINE_(exchange)(&me, &HYALINE_(places)[i]));
	}
	memset(seats, 0, sizeof seats);
	interrupt = HYALINE_(interrupt);
	timer(true);
	TickType_t begin = xTaskGetTickCount();
	uint32_t refused = 0;
	for (uint32_t turn = 0; xTaskGetTickCount() - begin < WORK / 4; turn++)
		refused += !HYALINE_(replace)(&me, &HYALINE_(places)[turn % PLACES]);
	timer(false);
	interrupt = NULL;
	HYALINE_(unregister)(&HYALINE_(of_interrupt));
	HYALINE_(unregister)(&me);
	CHECK(HYALINE_(destroy)(&HYALINE_(collector)) == HYALINE_OK);
	CHECK(hyaline_pool_available(&pool) == SMALL - PLACES && all_torn() == 0);
	say(NAME(HYALINE_PREFIX), "interrupts beside a small pool", seats[INTERRUPT].reads);
	refused += seats[INTERRUPT].refused;
	say(NAME(HYALINE_PREFIX), "writes refused there", refused);
	return refused;
}

static void HYALINE_(test)(void)
{
	struct HYALINE_(handle) me;
	/* All tasks may be in sections. One more object for each of the three
	   contexts that allocate. */
	blocks = robust_pool_size(SLOTS, TASKS, PLACES + 3);
	CHECK(blocks <= MOST_BLOCKS);
	CHECK(hyaline_pool_init(&pool, pool_memory, sizeof pool_memory, sizeof(struct object), blocks) == HYALINE_OK);
	CHECK(HYALINE_(init)(&HYALINE_(collector), HYALINE_(memory), sizeof HYALINE_(memory), SLOTS, &config) == HYALINE_OK);
	CHECK(HYALINE_(register_deferred)(&HYALINE_(collector), &HYALINE_(of_interrupt)) == HYALINE_OK);
	CHECK(HYALINE_(register)(&HYALINE_(collector), &HYALINE_(of_idle)) == HYALINE_OK);
	CHECK(HYALINE_(register)(&HYALINE_(collector), &me) == HYALINE_OK);
	for (int i = 0; i < PLACES; i++) {
		struct object *object = HYALINE_(pool_alloc)(&me, &pool);
		set(object);
		hyaline_store(&HYALINE_(places)[i], object);
	}
	HYALINE_(unregister)(&me);
	idle = HYALINE_(idle);
	interrupt = HYALINE_(interrupt);
	timer(true);

	HYALINE_(check_work)();
	HYALINE_(check_deleted)();
	HYALINE_(check_control)();

	timer(false);
	interrupt = NULL;
	/* The idle hook may have been preempted in its call. */
	idle = NULL;
	idle_is_free = false;
	while (!idle_is_free)
		vTaskDelay(1);
	HYALINE_(unregister)(&HYALINE_(of_interrupt));
	HYALINE_(unregister)(&HYALINE_(of_idle));
	CHECK(HYALINE_(destroy)(&HYALINE_(collector)) == HYALINE_OK);

	/* docs/from-c.md: at most a quarter. The default batch is the control. */
	CHECK(HYALINE_(refused_with)(SMALL / 4) == 0);
	CHECK(HYALINE_(refused_with)(0) > 0);
}
#undef SLOTS
