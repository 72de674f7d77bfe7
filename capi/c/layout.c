/* The layout of the header's types, as a C compiler sees it. The library's test
   `header::layouts_agree` prints the same for the Rust types. */
#define HYALINE_PLATFORM_BARRIER
#include "../hyaline.h"
#include <stdio.h>

#define TYPE(type) printf("%s: %zu bytes, aligned to %zu\n", #type, sizeof(struct type), _Alignof(struct type))
#define FIELD(type, field) \
	printf("%s.%s: %zu bytes at %zu\n", #type, #field, sizeof(((struct type *)0)->field), offsetof(struct type, field))

int main(void)
{
	TYPE(hyaline_link);
	TYPE(hyaline_atomic);
	TYPE(hyaline_config);
	FIELD(hyaline_config, batch);
	FIELD(hyaline_config, era_step);
	TYPE(hyaline_id);
	TYPE(hyaline_token);
	TYPE(hyaline_callback);
	FIELD(hyaline_callback, link);
	FIELD(hyaline_callback, state);
	FIELD(hyaline_callback, function);
	FIELD(hyaline_callback, argument);
	TYPE(hyaline_slot_state);
	FIELD(hyaline_slot_state, slot);
	FIELD(hyaline_slot_state, owner);
	FIELD(hyaline_slot_state, guards);
	FIELD(hyaline_slot_state, age);
	FIELD(hyaline_slot_state, claimed);
	FIELD(hyaline_slot_state, waiting);
	TYPE(hyaline_stats);
	FIELD(hyaline_stats, retired);
	FIELD(hyaline_stats, reclaimed);
	FIELD(hyaline_stats, peak);
	TYPE(hyaline_pool);
	TYPE(hyaline_collector);
	TYPE(hyaline_handle);
	TYPE(hyaline_robust_platform_collector);
	TYPE(hyaline_robust_platform_handle);
	return 0;
}
