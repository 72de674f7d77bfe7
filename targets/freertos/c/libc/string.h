/* The part that the kernel uses; the functions are in Rust's compiler_builtins. */
#pragma once
#include <stddef.h>
void *memset(void *to, int value, size_t length);
void *memcpy(void *to, const void *from, size_t length);
size_t strlen(const char *text);
char *strcpy(char *to, const char *from);
