/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A test of the library in Xen: physical CPUs share two maps of objects from
 * xmalloc. The p2m is a radix tree of Xen's own, whose nodes come from the
 * library, too; grants are references to objects, in a table. Readers are
 * tasklets, timers (a softirq), IPIs, and the accesses of a guest to an
 * emulated region, all on the handle of their CPU. kind.h has the tests of each
 * kind of collector.
 *
 * Each test prints "hyaline: PASS name" or "hyaline: FAIL name", and
 * `cargo xtask xen` demands all of the former.
 */
#include <xen/domain.h>
#include <xen/init.h>
#include <xen/mm.h>
#include <xen/param.h>
#include <xen/radix-tree.h>
#include <xen/sched.h>
#include <xen/shutdown.h>
#include <xen/softirq.h>
#include <xen/tasklet.h>
#include <xen/timer.h>
#include <xen/xmalloc.h>
#include <asm/mmio.h>

#include "hooks.h"

static unsigned int ms = 1500;
integer_param("hyaline_ms", ms);

enum {
    CPUS = 4,
    FRAMES = 64,
    GRANTS = 16,
    /* Microseconds between the timers of a CPU. */
    PERIOD = 2000,
    /* Milliseconds in which the rest must have happened. */
    LIMIT = 120000,
};

/* A page for each frame. */
#define GUEST_BASE 0x200000000UL

static const struct hyaline_config config = { .batch = 16, .era_step = 16 };

enum { LIVE = 0x11fe11fe, DEAD = 0x0ddead00 };

/* What a frame or a grant is mapped to. */
struct entry {
    struct hyaline_link link;
    unsigned int state, serial;
    /* Of the frame or the grant. */
    unsigned long index;
};

/* A node of the p2m. */
struct node {
    struct hyaline_link link;
    struct radix_tree_node node;
};

/* xmalloc and xfree. */
static atomic_t made, freed, nodes_made, nodes_freed;

/* Since the last verdict. */
static bool failed;

static void verdict(const char *kind, const char *test)
{
    printk("hyaline: %s %s %s\n", failed ? "FAIL" : "PASS", kind, test);
    failed = false;
}

/* For what must hold at once; the test's verdict is FAIL. */
#define HOLDS(condition)                                                   \
    ({                                                                     \
        bool holds_ = (condition);                                         \
        if ( !holds_ )                                                     \
        {                                                                  \
            printk("hyaline: FAIL %s:%d: %s\n", __FILE__, __LINE__,        \
                   #condition);                                            \
            ACCESS_ONCE(failed) = true;                                    \
        }                                                                  \
        holds_;                                                            \
    })

#define NAME(prefix) __stringify(prefix)

static struct entry *new_entry(unsigned long index)
{
    static atomic_t next;
    struct entry *entry = xzalloc(struct entry);

    if ( !entry )
        return NULL;
    entry->serial = atomic_add_return(1, &next);
    entry->index = index;
    entry->state = LIVE;
    atomic_inc(&made);
    return entry;
}

/* Also tells whether it is the same entry as before. */
static bool whole(const struct entry *entry, unsigned int serial, unsigned long index)
{
    return ACCESS_ONCE(entry->state) == LIVE && ACCESS_ONCE(entry->serial) == serial &&
           ACCESS_ONCE(entry->index) == index;
}

static void poison(struct entry *entry)
{
    HOLDS(entry->state == LIVE);
    ACCESS_ONCE(entry->state) = DEAD;
    atomic_inc(&freed);
}

static void reclaim_entry(struct hyaline_link *link)
{
    poison((struct entry *)link);
    xfree(link);
}

static void reclaim_node(struct hyaline_link *link)
{
    atomic_inc(&nodes_freed);
    xfree(link);
}

static struct radix_tree_node *new_node(void *unused)
{
    struct node *node = xzalloc(struct node);

    if ( !node )
        return NULL;
    atomic_inc(&nodes_made);
    return &node->node;
}

/* The contexts of readers. A context does not preempt itself on its CPU. */
enum context { TASKLET, TIMER, IPI, GUEST, CONTEXTS };
static const char *const contexts[CONTEXTS] = { "tasklet", "timer", "IPI", "guest" };

/* What a context has seen on its CPU. */
struct seat {
    /* Sections; those that began in a section of another context; looks at an
       entry that was reclaimed; entries that were unlinked while they were read;
       frames without an entry; entries that could not be made. */
    unsigned long reads, nested, torn, held, empty, refused;
};
static struct seat seats[CONTEXTS][CPUS];

static struct seat *my_seat(enum context context)
{
    return &seats[context][smp_processor_id()];
}

static unsigned long sum(enum context context, size_t field)
{
    unsigned long all = 0;

    for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
        all += ACCESS_ONCE(*(unsigned long *)((char *)&seats[context][cpu] + field));
    return all;
}
#define SUM(context, field) sum(context, offsetof(struct seat, field))

static unsigned long all_torn(void)
{
    unsigned long torn = 0;

    for ( unsigned int context = 0; context < CONTEXTS; context++ )
        torn += SUM(context, torn);
    return torn;
}

/* The entry that was found reclaimed first. */
static bool accused;

static void accuse(enum context context, const char *map, const struct entry *entry,
                   unsigned int serial, unsigned long index)
{
    my_seat(context)->torn++;
    if ( test_and_set_bool(accused) )
        return;
    printk("hyaline: read after free: %s %lu, entry %u, by a %s on CPU %u: now state %#x, entry %u, index %lu\n",
           map, index, serial, contexts[context], smp_processor_id(),
           ACCESS_ONCE(entry->state), ACCESS_ONCE(entry->serial), ACCESS_ONCE(entry->index));
}

/* Sparse, so that nodes are made and freed; the last one makes the tree higher. */
static unsigned long frame_number(unsigned long frame)
{
    return frame < FRAMES - 1 ? frame * 0x1003 : 1UL << 40;
}

/* Of one caller, and of no quality. */
static unsigned int next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 32;
}

/* The kind of collector that is tested: what each context does. */
struct kind {
    unsigned long (*guest)(unsigned long frame);
    void (*tasklet)(void), (*timer)(void), (*ipi)(void);
};
static const struct kind *kind;

static struct tasklet leader, readers[CPUS];
static struct timer pause_of_leader, timers[CPUS];

/* In the context of an idle virtual CPU. */
static void read_tasklet(void *unused)
{
    kind->tasklet();
}

/* In a softirq. Wakes the tasklet, at times, and the guest's virtual CPU, which
   waits for an interrupt. */
static void read_timer(void *unused)
{
    unsigned int cpu = smp_processor_id();

    kind->timer();
    if ( my_seat(TIMER)->reads % 4 == 0 )
        tasklet_schedule_on_cpu(&readers[cpu], cpu);
    vcpu_unblock(hardware_domain->vcpu[cpu]);
    set_timer(&timers[cpu], NOW() + MICROSECS(PERIOD));
}

/* With interrupts masked. */
static void read_ipi(void *unused)
{
    kind->ipi();
}

/* A guest's access to the emulated region. */
static int guest_reads(struct vcpu *vcpu, mmio_info_t *info, register_t *value, void *unused)
{
    unsigned long frame = (info->gpa - GUEST_BASE) >> PAGE_SHIFT;

    *value = kind ? kind->guest(frame) : 0;
    if ( frame == FRAMES - 1 && smp_processor_id() == 0 )
        tasklet_schedule(&leader);
    return 1;
}

static atomic_t complaints;

static int guest_complains(struct vcpu *vcpu, mmio_info_t *info, register_t value, void *unused)
{
    atomic_inc(&complaints);
    return 1;
}

static const struct mmio_handler_ops region = { guest_reads, guest_complains };

/* After this no context of the kind runs, except what the leader calls. */
static void stop_readers(void)
{
    domain_pause(hardware_domain);
    for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
        kill_timer(&timers[cpu]);
    for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
        tasklet_kill(&readers[cpu]);
    kind = NULL;
}

static void start_readers(const struct kind *chosen)
{
    memset(seats, 0, sizeof(seats));
    kind = chosen;
    for ( unsigned int cpu = 0; cpu < CPUS; cpu++ )
    {
        tasklet_init(&readers[cpu], read_tasklet, NULL);
        init_timer(&timers[cpu], read_timer, NULL, cpu);
        set_timer(&timers[cpu], NOW() + MICROSECS(PERIOD));
    }
    domain_unpause(hardware_domain);
}

/* Lets the timer of this CPU preempt a section. */
static void wait_for_timer(void)
{
    unsigned long timers_before = my_seat(TIMER)->reads;
    s_time_t end = NOW() + MICROSECS(2 * PERIOD);

    while ( my_seat(TIMER)->reads == timers_before && NOW() < end )
        process_pending_softirqs();
}

static void relax(void *unused)
{
    process_pending_softirqs();
    cpu_relax();
}

static bool stop_duel;

#define HYALINE_PREFIX hyaline_platform
#include "kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust_platform
#include "kind.h"
#undef HYALINE_PREFIX

static bool wait_for_guest(void)
{
    if ( system_state != SYS_STATE_active || !hardware_domain )
        return false;
    HOLDS(num_online_cpus() == CPUS);
    register_mmio_handler(hardware_domain, &region, GUEST_BASE, FRAMES * PAGE_SIZE, NULL);
    domain_pause(hardware_domain);
    return true;
}

/* A token of one collector, polled with a handle of another. */
static bool misuse(void)
{
    static char memory[2][HYALINE_MEMORY(1)] __aligned(HYALINE_SLOT);
    struct hyaline_collector one, other;
    struct hyaline_handle of_one, of_other;

    if ( hyaline_init(&one, memory[0], sizeof(memory[0]), 1, NULL) ||
         hyaline_init(&other, memory[1], sizeof(memory[1]), 1, NULL) ||
         hyaline_register(&one, &of_one) || hyaline_register(&other, &of_other) )
        panic("hyaline: FAIL no collector to misuse\n");
    struct hyaline_token token = hyaline_start(&of_one);

    verdict("hyaline", "misuse-next");
    hyaline_poll(&of_other, &token);
    panic("hyaline: FAIL hyaline misuse\n");
}

/* Each is called again and again until it says that it is over: on CPU 0, after
   each turn of the guest there. */
static bool (*const steps[])(void) = {
    wait_for_guest,
    hyaline_platform_begin,
    hyaline_platform_work,
    hyaline_platform_check_work,
    hyaline_platform_check_barrier,
    hyaline_platform_check_no_barrier,
    hyaline_platform_end,
    hyaline_robust_platform_begin,
    hyaline_robust_platform_work,
    hyaline_robust_platform_check_work,
    hyaline_robust_platform_check_barrier,
    hyaline_robust_platform_check_no_barrier,
    hyaline_robust_platform_end,
    misuse,
};

static void lead(void *unused)
{
    static unsigned int step;

    if ( steps[step]() )
        step++;
    set_timer(&pause_of_leader, NOW() + MICROSECS(kind ? 100 * PERIOD : PERIOD));
}

static void end_pause(void *unused)
{
    tasklet_schedule_on_cpu(&leader, 0);
}

static int __init begin_test(void)
{
    printk("hyaline: %u CPUs, %u ms for each kind\n", num_online_cpus(), ms);
    tasklet_init(&leader, lead, NULL);
    init_timer(&pause_of_leader, end_pause, NULL, 0);
    set_timer(&pause_of_leader, NOW() + MICROSECS(PERIOD));
    return 0;
}
__initcall(begin_test);
