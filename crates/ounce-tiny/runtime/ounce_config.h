/* What of the kernels is compiled. A program that needs less brings its own header of this name. */
#ifndef OUNCE_CONFIG_H
#define OUNCE_CONFIG_H

/* Ways from sums to bytes, see ounce_rounding. */
#define OUNCE_WITH_NEAREST 1
#define OUNCE_WITH_TRUNCATE 1
#define OUNCE_WITH_FIXED_POINT 1

/* Bits that say which results were not clamped. */
#define OUNCE_WITH_UNCLAMPED 1

/* Bounds of results other than -128 and 127. */
#define OUNCE_WITH_BOUNDS 1

/* Ways of updating, see ounce_update_mode. */
#define OUNCE_WITH_UPDATE_TRUNCATE 1
#define OUNCE_WITH_UPDATE_NEAREST 1
#define OUNCE_WITH_UPDATE_STOCHASTIC 1
#define OUNCE_WITH_UPDATE_ERROR_FEEDBACK 1

#endif
