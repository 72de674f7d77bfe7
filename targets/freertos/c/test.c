/* The tests: tasks, an interrupt and the idle hook share objects. kind.h
   contains the tests of each kind of collector. */
#include <FreeRTOS.h>
#include <hyaline.h>
#include <string.h>
#include <task.h>

/* The board's functions, in Rust. */
void say(const char *kind, const char *what, uint32_t number);
_Noreturn void finish(void);
/* Starts or stops the interrupts, each of which calls strike. */
void timer(bool run);
/* Config::pool_size with this config: a small pool. */
static const struct hyaline_config config = { .batch = 2, .era_step = 2 };
size_t robust_pool_size(size_t slots, size_t stalls, size_t live);

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			fail(__FILE__, __LINE__, #condition); \
	} while (0)
#define NAME_OF(prefix) #prefix
#define NAME(prefix) NAME_OF(prefix)

enum {
	PLACES = 2,
	/* Ticks of the work, and until the idle hook has collected everything. */
	WORK = 2000,
	DRAIN = 50,
	STACK = 512,
	MOST_BLOCKS = 256,
	SMALL = 16,
};

/* Priorities of the tasks. The idle task has 0. */
enum { READER = 1, SLEEPER, WRITER, SUPERVISOR };

enum { LIVE = 0x11fe11fe, DEAD = 0xdeaddead };

struct object {
	_Alignas(16) struct hyaline_link link;
	volatile uint32_t state, value, twice;
};

static struct hyaline_pool pool;
static _Alignas(16) char pool_memory[MOST_BLOCKS * (sizeof(struct object) + 16)];
static size_t blocks;

/* What one task, or the interrupt, has seen. Others only read it. */
struct seat {
	volatile bool inside, done;
	/* Sections; objects found reclaimed in one; objects replaced meanwhile;
	   writes refused because the pool was empty. */
	volatile uint32_t reads, torn, held, refused;
};
enum { FIRST, SECOND, THIRD, FOURTH, TASKS, INTERRUPT = TASKS, SEATS };
static struct seat seats[SEATS];
static volatile bool stop;
/* The control: the writer reclaims at once. */
static bool rash;
/* Interrupts that struck while a reader was in a section, and in the kernel's
   critical sections. */
static volatile uint32_t in_section, in_kernel;
/* Objects that the idle hook reclaimed. */
static volatile uint32_t idled;

/* The task that dies in its section. */
static struct {
	struct hyaline_id id;
	size_t slot;
	struct object *object;
	uint32_t value;
	volatile bool ready;
} victim;

static void set(struct object *object)
{
	static uint32_t next;
	object->value = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
	object->twice = 2 * object->value;
	object->state = LIVE;
}

static bool whole(const struct object *object, uint32_t value)
{
	return object->state == LIVE && object->value == value && object->twice == 2 * value;
}

static void reclaim(struct hyaline_link *link)
{
	struct object *object = (struct object *)link;
	CHECK(whole(object, object->value));
	object->state = DEAD;
	object->twice = 0;
	hyaline_pool_reclaim(link);
}

static void one_tick(void *argument)
{
	(void)argument;
	vTaskDelay(1);
}

static void leave_seat(struct seat *seat)
{
	seat->done = true;
	vTaskDelete(NULL);
}

static uint32_t all_torn(void)
{
	uint32_t torn = 0;
	for (int i = 0; i < SEATS; i++)
		torn += seats[i].torn;
	return torn;
}

/* The work of the idle hook and of the interrupt. */
static void (*volatile idle)(void);
static void (*volatile interrupt)(void);
static volatile bool idle_is_free;

void vApplicationIdleHook(void)
{
	void (*work)(void) = idle;
	if (work)
		work();
	else
		idle_is_free = true;
}

/* Runs in the interrupt. `masked`: it preempts the kernel in one of the kernel's
   critical sections. It must not call the kernel. */
void strike(bool masked)
{
	/* The other tasks sleep in their sections. */
	in_section += seats[FIRST].inside || seats[SECOND].inside;
	in_kernel += masked;
	if (interrupt)
		interrupt();
}

#if configUSE_TICK_HOOK
static volatile bool ticks_strike;
void timer(bool run)
{
	ticks_strike = run;
}
void vApplicationTickHook(void)
{
	if (ticks_strike)
		strike(false);
}
#endif

void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
	(void)task;
	fail(name, 0, "its stack is too small");
}

static TaskHandle_t begin(void (*body)(void *), void *argument, UBaseType_t priority)
{
	TaskHandle_t task;
	CHECK(xTaskCreate(body, "task", STACK, argument, priority, &task) == pdPASS);
	return task;
}

#define HYALINE_PREFIX hyaline_single
#define ROBUST 0
#include "kind.h"
#undef HYALINE_PREFIX
#undef ROBUST
#define HYALINE_PREFIX hyaline_robust_single
#define ROBUST 1
#include "kind.h"
#undef HYALINE_PREFIX
#undef ROBUST

static void supervisor(void *argument)
{
	(void)argument;
	say("FreeRTOS " tskKERNEL_VERSION_NUMBER, "ticks of work", WORK);
	hyaline_single_test();
	hyaline_robust_single_test();
	finish();
}

void test(void)
{
	begin(supervisor, NULL, SUPERVISOR);
	vTaskStartScheduler();
	fail(__FILE__, __LINE__, "the scheduler came back");
}
