/* Runs many sections: `section KIND COUNT READS`. `cargo xtask capi` counts the
   instructions, and those of examples/section.rs, which does the same. */
#include <hyaline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hyaline_platform_panic(const char *message, size_t length)
{
	fprintf(stderr, "%.*s\n", (int)length, message);
	abort();
}

static struct hyaline_atomic place;

#define KIND(kind) \
	static __attribute__((noinline)) void kind##_section(const struct kind##_handle *handle) \
	{ \
		kind##_enter(handle); \
		kind##_leave(handle); \
	} \
	static __attribute__((noinline)) void kind##_read(const struct kind##_handle *handle) \
	{ \
		kind##_enter(handle); \
		__asm__ volatile("" ::"r"(kind##_protect(handle, &place))); \
		kind##_leave(handle); \
	} \
	static int kind##_run(long count, int reads) \
	{ \
		static _Alignas(HYALINE_SLOT) char memory[HYALINE_MEMORY(1)]; \
		struct kind##_collector collector; \
		struct kind##_handle handle; \
		if (kind##_init(&collector, memory, sizeof memory, 1, NULL) || \
		    kind##_register(&collector, &handle)) \
			return 1; \
		void (*section)(const struct kind##_handle *) = reads ? kind##_read : kind##_section; \
		for (long left = count; left; left--) \
			section(&handle); \
		return 0; \
	}

KIND(hyaline)
KIND(hyaline_robust)
KIND(hyaline_single)
KIND(hyaline_robust_single)

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(long count, int reads);
	} kinds[] = {
		{ "hyaline", hyaline_run },
		{ "hyaline_robust", hyaline_robust_run },
		{ "hyaline_single", hyaline_single_run },
		{ "hyaline_robust_single", hyaline_robust_single_run },
	};
	for (size_t i = 0; argc == 4 && i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(argv[1], kinds[i].name))
			return kinds[i].run(atol(argv[2]), atoi(argv[3]));
	return 2;
}
