/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The tests of one kind of collector: included once for each by test.c, which
   defines HYALINE_PREFIX. */

static struct HYALINE_(collector) HYALINE_(collector);
static struct HYALINE_(handle) HYALINE_(of_cpu)[CPUS];
/* Of the leader. */
static struct HYALINE_(handle) HYALINE_(me);
static struct radix_tree_root HYALINE_(p2m);
static struct hyaline_atomic HYALINE_(grants)[GRANTS];
static void *HYALINE_(memory);
static s_time_t HYALINE_(since);
static unsigned long HYALINE_(written);
static unsigned int HYALINE_(nodes_before);

/*
 * Looks up a frame and a grant in one section, calls `between`, and looks at
 * both again. Returns what the frame is mapped to, or 0. The tree is read with
 * plain loads: what `protect` does for the grant, the barrier and the order of
 * dependent loads do here. In robust mode such an object must have no era.
 */
static unsigned long HYALINE_(read)(enum context context, unsigned long frame, void (*between)(void))
{
    const struct HYALINE_(handle) *handle = &HYALINE_(of_cpu)[smp_processor_id()];
    struct hyaline_atomic *grant = &HYALINE_(grants)[frame % GRANTS];
    struct seat *seat = my_seat(context);
    struct hyaline_slot_state state;
    unsigned long number = frame_number(frame), value = 0;
    unsigned int mapped_serial = 0, granted_serial = 0;

    if ( HYALINE_(slot_state)(&HYALINE_(collector), HYALINE_(slot)(handle), &state) && state.guards )
        seat->nested++;
    HYALINE_(enter)(handle);
    const struct entry *mapped = radix_tree_lookup(&HYALINE_(p2m), number);
    const struct entry *granted = HYALINE_(protect)(handle, grant);

    if ( mapped )
    {
        mapped_serial = ACCESS_ONCE(mapped->serial);
        value = frame << 32 | mapped_serial;
    }
    else
        seat->empty++;
    if ( granted )
        granted_serial = ACCESS_ONCE(granted->serial);
    for ( unsigned int looks = 0; looks < 8; looks++ )
    {
        if ( mapped && !whole(mapped, mapped_serial, frame) )
            accuse(context, "frame", mapped, mapped_serial, frame);
        if ( granted && !whole(granted, granted_serial, frame % GRANTS) )
            accuse(context, "grant", granted, granted_serial, frame % GRANTS);
        if ( looks == 3 && between )
            between();
    }
    seat->held += hyaline_load(grant) != granted;
    HYALINE_(leave)(handle);
    seat->reads++;
    return value;
}

static unsigned long HYALINE_(guest_context)(unsigned long frame)
{
    return HYALINE_(read)(GUEST, frame, NULL);
}

/* In one of so many sections it waits for a timer. */
static void HYALINE_(tasklet_context)(void)
{
    struct seat *seat = my_seat(TASKLET);

    for ( unsigned int i = 0; i < FRAMES; i++ )
        HYALINE_(read)(TASKLET, i, seat->reads % 257 ? NULL : wait_for_timer);
}

static void HYALINE_(ipi_context)(void)
{
    HYALINE_(read)(IPI, my_seat(IPI)->reads % FRAMES, NULL);
}

/* Also replaces a grant, or revokes it, on the handle of its CPU, whose section
   may be open. */
static void HYALINE_(timer_context)(void)
{
    const struct HYALINE_(handle) *handle = &HYALINE_(of_cpu)[smp_processor_id()];
    struct seat *seat = my_seat(TIMER);
    unsigned long index = seat->reads % GRANTS;
    struct entry *mine = NULL;

    HYALINE_(read)(TIMER, seat->reads % FRAMES, NULL);
    if ( seat->reads % 5 )
    {
        mine = new_entry(index);
        if ( !mine )
        {
            seat->refused++;
            return;
        }
        HYALINE_(stamp)(handle, &mine->link);
    }
    HYALINE_(enter)(handle);
    struct entry *old = HYALINE_(swap)(handle, &HYALINE_(grants)[index], mine);

    if ( old )
        HYALINE_(defer_retire)(handle, &old->link, reclaim_entry);
    HYALINE_(leave)(handle);
}

static const struct kind HYALINE_(kind) = {
    .guest = HYALINE_(guest_context),
    .tasklet = HYALINE_(tasklet_context),
    .timer = HYALINE_(timer_context),
    .ipi = HYALINE_(ipi_context),
};

/* The tree has unlinked it. */
static void HYALINE_(free_node)(struct radix_tree_node *node, void *unused)
{
    HYALINE_(defer_retire)(&HYALINE_(me), &container_of(node, struct node, node)->link, reclaim_node);
}

static bool HYALINE_(begin)(void)
{
    unsigned int slots = CPUS + 1;
    size_t bytes = HYALINE_(size)(slots);

    HYALINE_(memory) = _xmalloc(bytes, HYALINE_(align)());
    if ( !HYALINE_(memory) ||
         HYALINE_(init)(&HYALINE_(collector), HYALINE_(memory), bytes, slots, &config) ||
         HYALINE_(register)(&HYALINE_(collector), &HYALINE_(me)) )
        panic("hyaline: FAIL %s: it cannot begin\n", NAME(HYALINE_PREFIX));
    for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
        HOLDS(HYALINE_(register_per_cpu)(&HYALINE_(collector), &HYALINE_(of_cpu)[cpu]) == HYALINE_OK);
    struct HYALINE_(handle) more;

    HOLDS(HYALINE_(register)(&HYALINE_(collector), &more) == HYALINE_NO_SLOT);
    radix_tree_init(&HYALINE_(p2m));
    radix_tree_set_alloc_callbacks(&HYALINE_(p2m), new_node, HYALINE_(free_node), NULL);
    HYALINE_(nodes_before) = atomic_read(&nodes_freed);
    HYALINE_(since) = NOW();
    start_readers(&HYALINE_(kind));
    return true;
}

/* In a section: maps a frame, or maps it anew, or unmaps it. Only the leader does. */
static void HYALINE_(remap)(unsigned int random)
{
    unsigned long frame = random % FRAMES, number = frame_number(frame);
    void **slot = radix_tree_lookup_slot(&HYALINE_(p2m), number);
    struct entry *mine = NULL, *old;

    if ( !slot || (random >> 8) % 3 )
    {
        mine = new_entry(frame);
        if ( !HOLDS(mine) )
            return;
    }
    if ( !slot )
    {
        HOLDS(radix_tree_insert(&HYALINE_(p2m), number, mine) == 0);
        return;
    }
    old = radix_tree_deref_slot(slot);
    if ( mine )
        radix_tree_replace_slot(slot, mine);
    else
        HOLDS(radix_tree_delete(&HYALINE_(p2m), number) == old);
    HYALINE_(written)++;
    HYALINE_(defer_retire)(&HYALINE_(me), &old->link, reclaim_entry);
}

/* Waits for the readers, and frees by itself. */
static void HYALINE_(revoke)(unsigned int index)
{
    HYALINE_(enter)(&HYALINE_(me));
    struct entry *old = HYALINE_(swap)(&HYALINE_(me), &HYALINE_(grants)[index % GRANTS], NULL);

    HYALINE_(leave)(&HYALINE_(me));
    HOLDS(HYALINE_(synchronize)(&HYALINE_(me), relax, NULL) == HYALINE_OK);
    if ( old )
        reclaim_entry(&old->link);
}

/* Whether everything that the test is about has happened. */
static bool HYALINE_(has_worked)(void)
{
    for ( unsigned int context = 0; context < CONTEXTS; context++ )
        for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
            if ( !ACCESS_ONCE(seats[context][cpu].reads) )
                return false;
    return SUM(IPI, nested) && SUM(TIMER, nested) && SUM(TASKLET, held) && SUM(TASKLET, empty) &&
           atomic_read(&nodes_freed) > HYALINE_(nodes_before);
}

static bool HYALINE_(work)(void)
{
    HYALINE_(enter)(&HYALINE_(me));
    for ( unsigned int i = 0; i < 32; i++ )
        HYALINE_(remap)(next_random());
    HYALINE_(leave)(&HYALINE_(me));
    on_each_cpu(read_ipi, NULL, 0);
    HYALINE_(revoke)(next_random());
    /* Also what the timers retired. */
    HYALINE_(collect)(&HYALINE_(me), ~(size_t)0);
    s_time_t more = NOW() - HYALINE_(since) - MILLISECS(ms);

    return more > MILLISECS(LIMIT) || (more > 0 && HYALINE_(has_worked)());
}

/* Nobody is in a section: one flush reclaims what any handle retired. */
static void HYALINE_(check_reclaimed)(void)
{
    unsigned int entries = 0;

    HYALINE_(flush)(&HYALINE_(me));
    for ( unsigned int i = 0; i < GRANTS; i++ )
        entries += hyaline_load(&HYALINE_(grants)[i]) != NULL;
    for ( unsigned int i = 0; i < FRAMES; i++ )
        entries += radix_tree_lookup(&HYALINE_(p2m), frame_number(i)) != NULL;
    HOLDS(atomic_read(&made) - atomic_read(&freed) == entries);
}

static bool HYALINE_(check_work)(void)
{
    const char *name = NAME(HYALINE_PREFIX);

    stop_readers();
    for ( unsigned int context = 0; context < CONTEXTS; context++ )
        for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
            if ( !seats[context][cpu].reads )
                printk("hyaline: %s: no %s context ran on CPU %u\n", name, contexts[context], cpu);
    for ( unsigned int context = 0; context < CONTEXTS; context++ )
        printk("hyaline: %s: %lu sections of the %s context, %lu of them within another's, %lu of frames without an entry, %lu of grants that were replaced meanwhile; %lu entries refused\n",
               name, SUM(context, reads), contexts[context], SUM(context, nested),
               SUM(context, empty), SUM(context, held), SUM(context, refused));
    printk("hyaline: %s: %lu frames mapped anew or unmapped, %d entries freed, %d nodes freed\n", name,
           HYALINE_(written), atomic_read(&freed), atomic_read(&nodes_freed));
    HYALINE_(check_reclaimed)();
    HOLDS(HYALINE_(has_worked)());
    HOLDS(all_torn() == 0 && atomic_read(&complaints) == 0);
    verdict(name, "work");
    return true;
}

static void HYALINE_(open)(void)
{
    HYALINE_(enter)(&HYALINE_(of_cpu)[smp_processor_id()]);
}

/*
 * Sections whose first store is delayed, as a store buffer may delay it: the
 * frame is read, and the section opens at the next interrupt's fence, or after
 * the writer has replaced the frame twice.
 */
static void HYALINE_(duelist)(void *unused)
{
    struct seat *seat = my_seat(TASKLET);

    while ( !ACCESS_ONCE(stop_duel) )
    {
        unsigned long written = ACCESS_ONCE(HYALINE_(written));

        delay_store(HYALINE_(open));
        const struct entry *entry = radix_tree_lookup(&HYALINE_(p2m), 0);
        unsigned int serial = ACCESS_ONCE(entry->serial);

        while ( store_is_delayed() && ACCESS_ONCE(HYALINE_(written)) < written + 2 && !ACCESS_ONCE(stop_duel) )
            cpu_relax();
        end_of_delay();
        seat->held += radix_tree_lookup(&HYALINE_(p2m), 0) != entry;
        for ( unsigned int looks = 0; looks < 16; looks++ )
            if ( !whole(entry, serial, 0) )
                accuse(TASKLET, "frame", entry, serial, 0);
        HYALINE_(leave)(&HYALINE_(of_cpu)[smp_processor_id()]);
        seat->reads++;
    }
}

/* CPU 1 reads frame 0, and this CPU maps it anew, a few times or until that is
   caught. */
static void HYALINE_(duel)(void)
{
    s_time_t end = NOW() + MILLISECS(LIMIT);

    memset(seats, 0, sizeof(seats));
    HYALINE_(remap)(0);
    stop_duel = false;
    tasklet_init(&readers[1], HYALINE_(duelist), NULL);
    tasklet_schedule_on_cpu(&readers[1], 1);
    while ( NOW() < end && !all_torn() && SUM(TASKLET, held) < 100 )
    {
        HYALINE_(enter)(&HYALINE_(me));
        HYALINE_(remap)(1 << 8);
        HYALINE_(leave)(&HYALINE_(me));
        HYALINE_(flush)(&HYALINE_(me));
    }
    ACCESS_ONCE(stop_duel) = true;
    tasklet_kill(&readers[1]);
    HYALINE_(check_reclaimed)();
    printk("hyaline: %s%s: %lu sections whose first store was delayed, in %lu of them the frame was replaced, %lu looks at what was reclaimed\n",
           NAME(HYALINE_PREFIX), no_barrier ? ", without the interrupt" : "", SUM(TASKLET, reads),
           SUM(TASKLET, held), all_torn());
}

static bool HYALINE_(check_barrier)(void)
{
    HYALINE_(duel)();
    HOLDS(all_torn() == 0 && SUM(TASKLET, held));
    verdict(NAME(HYALINE_PREFIX), "barrier");
    return true;
}

/* The interrupt is left out, and nothing else: it must be caught. */
static bool HYALINE_(check_no_barrier)(void)
{
    ACCESS_ONCE(no_barrier) = true;
    HYALINE_(duel)();
    ACCESS_ONCE(no_barrier) = false;
    HOLDS(all_torn() > 0);
    verdict(NAME(HYALINE_PREFIX), "barrier-control");
    accused = false;
    return true;
}

/* Nothing is left. */
static bool HYALINE_(end)(void)
{
    HYALINE_(enter)(&HYALINE_(me));
    for ( unsigned int i = 0; i < FRAMES; i++ )
    {
        struct entry *old = radix_tree_delete(&HYALINE_(p2m), frame_number(i));

        if ( old )
            HYALINE_(defer_retire)(&HYALINE_(me), &old->link, reclaim_entry);
    }
    HYALINE_(leave)(&HYALINE_(me));
    for ( unsigned int i = 0; i < GRANTS; i++ )
        HYALINE_(revoke)(i);
    HYALINE_(flush)(&HYALINE_(me));
    printk("hyaline: %s: %d entries and %d nodes made, %d and %d freed\n", NAME(HYALINE_PREFIX),
           atomic_read(&made), atomic_read(&nodes_made), atomic_read(&freed), atomic_read(&nodes_freed));
    HOLDS(atomic_read(&made) == atomic_read(&freed));
    HOLDS(atomic_read(&nodes_made) == atomic_read(&nodes_freed));
    HOLDS(HYALINE_(destroy)(&HYALINE_(collector)) == HYALINE_BUSY);
    for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
        HYALINE_(unregister)(&HYALINE_(of_cpu)[cpu]);
    HYALINE_(unregister)(&HYALINE_(me));
    HOLDS(HYALINE_(destroy)(&HYALINE_(collector)) == HYALINE_OK);
    xfree(HYALINE_(memory));
    verdict(NAME(HYALINE_PREFIX), "end");
    return true;
}
