/* What the kernels share: SIMD instructions, rounding, requantization, bits. Not for callers. */
#ifndef OUNCE_INTERNAL_H
#define OUNCE_INTERNAL_H

#include "ounce_config.h"
#include "ounce_tiny.h"

#include <float.h>
#include <string.h>

#if defined(FLT_EVAL_METHOD) && (FLT_EVAL_METHOD != 0)
#error "floats must be evaluated in single precision"
#endif
#if defined(__FAST_MATH__)
#error "compile without -ffast-math: the order and the rounding of sums are part of the contract"
#endif

#if defined(__ARM_FEATURE_DSP) && !defined(OUNCE_TINY_PLAIN)
#define OUNCE_DSP 1
#else
#define OUNCE_DSP 0
#endif
#if defined(__ARM_FP) && !defined(OUNCE_TINY_PLAIN)
#define OUNCE_VFP 1
#else
#define OUNCE_VFP 0
#endif

/* For functions whose arguments are constants where they are called, or that must not cost a call; and for inner loops that need all registers. */
#if defined(__GNUC__)
#define OUNCE_INLINE static inline __attribute__((always_inline))
#define OUNCE_APART static __attribute__((noinline))
#else
#define OUNCE_INLINE static inline
#define OUNCE_APART static
#endif

/* Products beyond this are as good as infinite: every result is clamped to a byte. Below it a float holds halves. */
#define OUNCE_FAR 4194304.0f

#if OUNCE_DSP
/* Bytes 0 and 2, signed, as halfwords. */
static inline uint32_t ounce_sxtb16(uint32_t x)
{
    uint32_t y;
    __asm__("sxtb16 %0, %1" : "=r"(y) : "r"(x));
    return y;
}

/* Bytes 1 and 3. */
static inline uint32_t ounce_sxtb16_odd(uint32_t x)
{
    uint32_t y;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(y) : "r"(x));
    return y;
}

/* a plus bytes 0 and 2. */
static inline uint32_t ounce_sxtab16(uint32_t a, uint32_t x)
{
    uint32_t y;
    __asm__("sxtab16 %0, %1, %2" : "=r"(y) : "r"(a), "r"(x));
    return y;
}

/* a plus bytes 1 and 3. */
static inline uint32_t ounce_sxtab16_odd(uint32_t a, uint32_t x)
{
    uint32_t y;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(y) : "r"(a), "r"(x));
    return y;
}

/* sum + bottom * bottom + top * top. */
static inline int32_t ounce_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlad %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}

/* sum + bottom(a) * bottom(b). */
static inline int32_t ounce_smlabb(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}

/* sum + top(a) * bottom(b). */
static inline int32_t ounce_smlatb(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}

/* sum + bottom(a) * top(b). */
static inline int32_t ounce_smlabt(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlabt %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}

/* Two pairs of halfwords in memory that holds halfwords. */
typedef uint64_t __attribute__((may_alias)) ounce_quad;

/* Four bytes at any address; these cores load them with one instruction. */
static inline uint32_t ounce_load4(const int8_t *from)
{
    uint32_t y;
    (void)memcpy(&y, from, sizeof y);
    return y;
}

/* The last 1 to 3 weights of a row, filled up with zeros; by bytes, since what lies behind them may be no memory. */
OUNCE_INLINE uint32_t ounce_load_rest(const int8_t *w, int32_t rest)
{
    uint32_t w4 = (uint8_t)w[0];
    if (rest > 1) {
        w4 |= (uint32_t)(uint8_t)w[1] << 8;
    }
    if (rest > 2) {
        w4 |= (uint32_t)(uint8_t)w[2] << 16;
    }
    return w4;
}
#endif

/* x kept within -128..127. */
static inline int32_t ounce_saturate8(int32_t x)
{
#if OUNCE_DSP
    int32_t y;
    __asm__("ssat %0, #8, %1" : "=r"(y) : "r"(x));
    return y;
#else
    return (x < -128) ? -128 : ((x > 127) ? 127 : x);
#endif
}

/* a + b modulo 2^32, as the instructions of SIMD add. */
static inline int32_t ounce_wrapping_add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t ounce_clamp(int32_t x, int32_t low, int32_t high)
{
    return (x < low) ? low : ((x > high) ? high : x);
}

/* Nearest integer, ties to even; beyond +-2^22: that bound. */
static inline int32_t ounce_round_even(float x)
{
    const float far = (x > OUNCE_FAR) ? OUNCE_FAR : ((x < -OUNCE_FAR) ? -OUNCE_FAR : x);
#if OUNCE_VFP
    int32_t y;
    float rounded = far;
    __asm__("vcvtr.s32.f32 %0, %0" : "+t"(rounded));
    (void)memcpy(&y, &rounded, sizeof y);
    return y;
#else
    /* Adding 1.5 * 2^23 leaves no bits behind the point, rounded as every sum is. */
    const volatile float shifted = far + 12582912.0f;
    return (int32_t)(shifted - 12582912.0f);
#endif
}

/* Nearest integer, ties away from zero; beyond +-2^22: that bound. */
static inline int32_t ounce_round_away(float x)
{
    const float far = (x > OUNCE_FAR) ? OUNCE_FAR : ((x < -OUNCE_FAR) ? -OUNCE_FAR : x);
    const int32_t towards_zero = (int32_t)far;
    const float rest = far - (float)towards_zero;
    return towards_zero + ((rest >= 0.5f) ? 1 : 0) - ((rest <= -0.5f) ? 1 : 0);
}

/* Towards zero; beyond +-2^22: that bound. */
static inline int32_t ounce_round_zero(float x)
{
    const float far = (x > OUNCE_FAR) ? OUNCE_FAR : ((x < -OUNCE_FAR) ? -OUNCE_FAR : x);
    return (int32_t)far;
}

/* Downwards, of |x| < 2^31. */
static inline int32_t ounce_round_down(float x)
{
    const int32_t towards_zero = (int32_t)x;
    return ((float)towards_zero > x) ? (towards_zero - 1) : towards_zero;
}

/* x * multiplier * 2^(shift - 31) as gemmlowp: doubling high product, halves upwards, then a shift, halves away from zero. */
static inline int32_t ounce_multiply_fixed(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = (shift > 0) ? shift : 0;
    const int32_t right = (shift > 0) ? 0 : -shift;
    const int32_t shifted = (int32_t)((uint32_t)x << (uint32_t)left);
    const int64_t product = (int64_t)shifted * multiplier;
    const int64_t lowest = -2147483647 - 1;
    /* Right shifts keep the sign, as in all compilers for these processors. */
    const int32_t high = ((shifted == lowest) && (multiplier == lowest)) ? 2147483647 : (int32_t)((product + 1073741824) >> 31);
    const int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    const int32_t remainder = high & mask;
    const int32_t threshold = (mask >> 1) + ((high < 0) ? 1 : 0);
    return (high >> right) + ((remainder > threshold) ? 1 : 0);
}

/* Whether sums become bytes in this way; known at compile time where there is no or no other way. `rounding` is a constant. */
OUNCE_INLINE int ounce_rounds(const ounce_requantize *r, ounce_rounding rounding)
{
    const int nearest = OUNCE_WITH_NEAREST;
    const int truncate = OUNCE_WITH_TRUNCATE;
    const int fixed_point = OUNCE_WITH_FIXED_POINT;
    const int present = (rounding == OUNCE_NEAREST) ? nearest : ((rounding == OUNCE_TRUNCATE) ? truncate : fixed_point);
    return (present != 0) && (((nearest + truncate + fixed_point) == 1) || (r->rounding == rounding));
}

/* Where bits are to be saved, or NULL. */
OUNCE_INLINE uint8_t *ounce_saved(uint8_t *unclamped)
{
    return OUNCE_WITH_UNCLAMPED ? unclamped : NULL;
}

#if OUNCE_DSP && OUNCE_VFP
#define OUNCE_FAST 1
/* What the sums of one channel are multiplied by. */
typedef struct {
    float scale;
    int32_t multiplier;
    int32_t left;
    int32_t right;
    int32_t half;      /* half of 2^right, rounded down */
    int32_t sign_mask; /* -1 where halves are to be rounded away from zero, 0 where nothing is shifted out */
} ounce_factor;

OUNCE_INLINE ounce_factor ounce_factor_of(const ounce_requantize *r, int32_t channel, ounce_rounding rounding)
{
    ounce_factor f = {0.0f, 0, 0, 0, 0, 0};
    if (rounding == OUNCE_FIXED_POINT) {
        const int32_t shift = r->shift[channel];
        f.multiplier = r->multiplier[channel];
        f.left = (shift > 0) ? shift : 0;
        f.right = (shift > 0) ? 0 : -shift;
        f.half = (int32_t)((1U << (uint32_t)f.right) >> 1);
        f.sign_mask = (f.right > 0) ? -1 : 0;
    } else {
        f.scale = r->scale[channel];
    }
    return f;
}

/* a + b, kept within int32. */
OUNCE_INLINE int32_t ounce_qadd(int32_t a, int32_t b)
{
    int32_t y;
    __asm__("qadd %0, %1, %2" : "=r"(y) : "r"(a), "r"(b));
    return y;
}

/* ounce_requantized with `rounding` a constant. Saturates at other places in between, which is the same once it is kept within a byte. */
OUNCE_INLINE int32_t ounce_fast_sum(int32_t sum, const ounce_factor *f, int32_t zero, ounce_rounding rounding)
{
    int32_t y;
    if (rounding == OUNCE_FIXED_POINT) {
        const int32_t shifted = (int32_t)((uint32_t)sum << (uint32_t)f->left);
        /* Multipliers are at least 0 here, so that the product of both lowest numbers does not occur. */
        const int32_t high = (int32_t)(((int64_t)shifted * f->multiplier + 1073741824) >> 31);
        y = ounce_qadd(high, f->half + ((high >> 31) & f->sign_mask)) >> f->right;
    } else {
        float product = (float)sum * f->scale;
        if (rounding == OUNCE_NEAREST) {
            __asm__("vcvtr.s32.f32 %0, %0" : "+t"(product));
        } else {
            __asm__("vcvt.s32.f32 %0, %0" : "+t"(product));
        }
        (void)memcpy(&y, &product, sizeof y);
    }
    return ounce_qadd(y, zero);
}

/* Whether all of -128..127 may be used. */
static inline int ounce_is_fast(const ounce_requantize *r)
{
    return (OUNCE_WITH_BOUNDS == 0) || ((r->low == -128) && (r->high == 127));
}
#else
#define OUNCE_FAST 0
#endif

static inline int32_t ounce_requantized(const ounce_requantize *r, int32_t channel, int32_t sum)
{
    int32_t q = 0;
    if (ounce_rounds(r, OUNCE_NEAREST)) {
        q = ounce_round_even((float)sum * r->scale[channel]);
    } else if (ounce_rounds(r, OUNCE_TRUNCATE)) {
        q = ounce_round_zero((float)sum * r->scale[channel]);
    } else if (OUNCE_WITH_FIXED_POINT) {
        q = ounce_multiply_fixed(sum, r->multiplier[channel], r->shift[channel]);
    }
    return q + r->zero;
}

/* The bit of element `at` becomes 1 if `condition` holds. */
static inline void ounce_set_bit(uint8_t *bits, size_t at, int condition)
{
    if (condition != 0) {
        bits[at >> 3] = (uint8_t)(bits[at >> 3] | (1U << (at & 7U)));
    }
}

/* Sum of one output: clamped, stored, its bit set. */
static inline void ounce_store(const ounce_requantize *r, int32_t channel, int32_t sum, int8_t *y, uint8_t *unclamped, size_t at)
{
    const int32_t q = ounce_requantized(r, channel, sum);
    const int32_t clamped = OUNCE_WITH_BOUNDS ? ounce_clamp(q, r->low, r->high) : ounce_saturate8(q);
    y[at] = (int8_t)clamped;
    if (ounce_saved(unclamped) != NULL) {
        ounce_set_bit(unclamped, at, q == clamped);
    }
}

/* sum_i (x[i] - x_zero) * w[i]. */
static inline int32_t ounce_dot(int32_t count, const int8_t *x, int32_t x_zero, const int8_t *w)
{
    int32_t sum = 0;
    int32_t i = 0;
#if OUNCE_DSP
    const uint32_t minus_zero = ((uint32_t)(-x_zero) & 0xffffU) | ((uint32_t)(-x_zero) << 16);
    for (; i < (count & ~3); i += 4) {
        const uint32_t x4 = ounce_load4(&x[i]);
        const uint32_t w4 = ounce_load4(&w[i]);
        sum = ounce_smlad(ounce_sxtab16(minus_zero, x4), ounce_sxtb16(w4), sum);
        sum = ounce_smlad(ounce_sxtab16_odd(minus_zero, x4), ounce_sxtb16_odd(w4), sum);
    }
#endif
    for (; i < count; i++) {
        sum += (x[i] - x_zero) * w[i];
    }
    return sum;
}

/* Number `k` of the channels that are selected. */
static inline int32_t ounce_selected(const ounce_selection *selection, int32_t k)
{
    return (selection->index != NULL) ? (int32_t)selection->index[k] : k;
}

/* Sums of one channel at `count` places, `stride` elements apart: as ounce_store, one after the other. */
void ounce_store_places(const ounce_requantize *r, int32_t channel, const int32_t *sums, int32_t count, int8_t *y,
                        uint8_t *unclamped, size_t at, size_t stride);

/* Rows of weights times a block of up to 4 columns, stored: the heart of all convolutions that are not depthwise. `block` holds the columns
 * as ounce_block_* write them. Element `at + c * out_channels + o` of y is that of column c and row o. */
void ounce_multiply_block(int32_t taps, int32_t out_channels, const int16_t *block, int32_t columns, const int8_t *w,
                          const int32_t *bias, const ounce_requantize *r, int8_t *y, uint8_t *unclamped, size_t at);

/* Writes x - x_zero as column `column` of a block: quads of taps, of each quad 4 columns, of each column 4 halfwords in the order of taps 0, 2, 1, 3,
 * which is how SXTB16 takes weights apart. The last quad is filled up with 0. */
void ounce_block_column(const int8_t *x, int32_t x_zero, int32_t taps, int32_t column, int16_t *block);

/* Rows and columns of the image that the window at output (oy, ox) covers: from `top` to before `bottom`, likewise columns. */
typedef struct {
    int32_t top;
    int32_t bottom;
    int32_t left;
    int32_t right;
} ounce_cover;

static inline ounce_cover ounce_covered(const ounce_conv *window, int32_t oy, int32_t ox)
{
    ounce_cover cover;
    const int32_t y = oy * window->stride_height - window->pad_top;
    const int32_t x = ox * window->stride_width - window->pad_left;
    cover.top = (y > 0) ? y : 0;
    cover.left = (x > 0) ? x : 0;
    cover.bottom = ((y + window->kernel_height) < window->in_height) ? (y + window->kernel_height) : window->in_height;
    cover.right = ((x + window->kernel_width) < window->in_width) ? (x + window->kernel_width) : window->in_width;
    return cover;
}

#endif
