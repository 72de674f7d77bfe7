/* The configuration of the kernel. */
#pragma once

#ifdef __riscv
#define configCPU_CLOCK_HZ 10000000
#define configMTIME_BASE_ADDRESS 0x0200bff8
#define configMTIMECMP_BASE_ADDRESS 0x02004000
#define configISR_STACK_SIZE_WORDS 512
#else
#define configCPU_CLOCK_HZ 25000000
/* The kernel masks priorities from 0x80 on; the timer of the test has 0x40. */
#define configMAX_SYSCALL_INTERRUPT_PRIORITY 0x80
#define configKERNEL_INTERRUPT_PRIORITY 0xff
/* Names of cortex-m-rt. */
#define vPortSVCHandler SVCall
#define xPortPendSVHandler PendSV
#define xPortSysTickHandler SysTick
#endif

#define configTICK_RATE_HZ 1000
#define configTICK_TYPE_WIDTH_IN_BITS TICK_TYPE_WIDTH_32_BITS
#define configUSE_PREEMPTION 1
#define configUSE_TIME_SLICING 1
#define configUSE_PORT_OPTIMISED_TASK_SELECTION 0
#define configMAX_PRIORITIES 5
#define configMINIMAL_STACK_SIZE 512
#define configMAX_TASK_NAME_LEN 12
#define configUSE_IDLE_HOOK 1
#define configIDLE_SHOULD_YIELD 1
#define configUSE_TIMERS 0
#define configUSE_MUTEXES 0
#define configSUPPORT_STATIC_ALLOCATION 0
#define configSUPPORT_DYNAMIC_ALLOCATION 1
#define configTOTAL_HEAP_SIZE (64 * 1024)
/* The stack of a deleted task, with its handle, is zeroed. */
#define configHEAP_CLEAR_MEMORY_ON_FREE 1
#define configCHECK_FOR_STACK_OVERFLOW 2
#define INCLUDE_vTaskDelay 1
#define INCLUDE_vTaskSuspend 1
#define INCLUDE_vTaskDelete 1

#ifdef __riscv
/* No interrupt is above the kernel's mask: the test uses the tick's. */
#define configUSE_TICK_HOOK 1
#else
#define configUSE_TICK_HOOK 0
#endif

#ifndef __ASSEMBLER__
_Noreturn void fail(const char *file, int line, const char *what);
#endif
#define configASSERT(condition) \
	do { \
		if (!(condition)) \
			fail(__FILE__, __LINE__, #condition); \
	} while (0)
