/* The kernel includes it, but uses none of it. */
#pragma once
#include <stddef.h>
