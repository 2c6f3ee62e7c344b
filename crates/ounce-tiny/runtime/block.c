/* Four columns of activations times rows of weights, and what becomes of the sums. */
#include "ounce_internal.h"

int32_t ounce_requantize_one(const ounce_requantize *requantize, int32_t channel, int32_t sum)
{
    return ounce_requantized(requantize, channel, sum);
}

#if OUNCE_DSP && OUNCE_VFP
/* As ounce_round_even and then + zero, saturating at int32 instead of 2^22: the same once it is clamped to a byte. */
static inline int32_t ounce_nearest_plus(float x, int32_t zero)
{
    int32_t y;
    float rounded = x;
    __asm__("vcvtr.s32.f32 %0, %0" : "+t"(rounded));
    (void)memcpy(&y, &rounded, sizeof y);
    __asm__("qadd %0, %0, %1" : "+r"(y) : "r"(zero));
    return y;
}

static inline int32_t ounce_truncated_plus(float x, int32_t zero)
{
    int32_t y;
    float rounded = x;
    __asm__("vcvt.s32.f32 %0, %0" : "+t"(rounded));
    (void)memcpy(&y, &rounded, sizeof y);
    __asm__("qadd %0, %0, %1" : "+r"(y) : "r"(zero));
    return y;
}

static inline void ounce_store_columns4(const ounce_requantize *r, int32_t channel, const int32_t *sums, int8_t *y,
                                        uint8_t *unclamped, size_t at, size_t stride)
{
    const int32_t zero = r->zero;
    int32_t q[4];
    if (r->rounding == OUNCE_NEAREST) {
        const float scale = r->scale[channel];
        q[0] = ounce_nearest_plus((float)sums[0] * scale, zero);
        q[1] = ounce_nearest_plus((float)sums[1] * scale, zero);
        q[2] = ounce_nearest_plus((float)sums[2] * scale, zero);
        q[3] = ounce_nearest_plus((float)sums[3] * scale, zero);
    } else if (r->rounding == OUNCE_TRUNCATE) {
        const float scale = r->scale[channel];
        q[0] = ounce_truncated_plus((float)sums[0] * scale, zero);
        q[1] = ounce_truncated_plus((float)sums[1] * scale, zero);
        q[2] = ounce_truncated_plus((float)sums[2] * scale, zero);
        q[3] = ounce_truncated_plus((float)sums[3] * scale, zero);
    } else {
        for (int32_t c = 0; c < 4; c++) {
            q[c] = ounce_requantized(r, channel, sums[c]);
        }
    }
    int8_t *to = &y[at];
    if ((r->low == -128) && (r->high == 127)) {
        to[0] = (int8_t)ounce_saturate8(q[0]);
        to[stride] = (int8_t)ounce_saturate8(q[1]);
        to[2U * stride] = (int8_t)ounce_saturate8(q[2]);
        to[3U * stride] = (int8_t)ounce_saturate8(q[3]);
    } else {
        to[0] = (int8_t)ounce_clamp(q[0], r->low, r->high);
        to[stride] = (int8_t)ounce_clamp(q[1], r->low, r->high);
        to[2U * stride] = (int8_t)ounce_clamp(q[2], r->low, r->high);
        to[3U * stride] = (int8_t)ounce_clamp(q[3], r->low, r->high);
    }
    if (unclamped != NULL) {
        for (size_t c = 0U; c < 4U; c++) {
            ounce_set_bit(unclamped, at + c * stride, (q[c] >= r->low) && (q[c] <= r->high));
        }
    }
}
#endif

void ounce_store_column(const ounce_requantize *r, int32_t channel, const int32_t *sums, int32_t count, int8_t *y,
                        uint8_t *unclamped, size_t at, size_t stride)
{
#if OUNCE_DSP && OUNCE_VFP
    if (count == 4) {
        ounce_store_columns4(r, channel, sums, y, unclamped, at, stride);
        return;
    }
#endif
    for (int32_t c = 0; c < count; c++) {
        ounce_store(r, channel, sums[c], y, unclamped, at + (size_t)c * stride);
    }
}

void ounce_block_column(const int8_t *x, int32_t x_zero, int32_t taps, int32_t column, int16_t *block)
{
    int16_t *to = &block[4 * column];
    const int32_t whole = taps & ~3;
    int32_t t = 0;
#if OUNCE_DSP
    const uint32_t minus_zero = ((uint32_t)(-x_zero) & 0xffffU) | ((uint32_t)(-x_zero) << 16);
    for (; t < whole; t += 4) {
        const uint32_t x4 = ounce_load4(&x[t]);
        const uint64_t pairs = ((uint64_t)ounce_sxtab16_odd(minus_zero, x4) << 32) | ounce_sxtab16(minus_zero, x4);
        *(uint64_t *)(void *)to = pairs;
        to = &to[16];
    }
#else
    for (; t < whole; t += 4) {
        to[0] = (int16_t)(x[t] - x_zero);
        to[1] = (int16_t)(x[t + 2] - x_zero);
        to[2] = (int16_t)(x[t + 1] - x_zero);
        to[3] = (int16_t)(x[t + 3] - x_zero);
        to = &to[16];
    }
#endif
    if (t < taps) {
        const int32_t rest = taps - t;
        to[0] = (int16_t)(x[t] - x_zero);
        to[1] = (rest > 2) ? (int16_t)(x[t + 2] - x_zero) : (int16_t)0;
        to[2] = (rest > 1) ? (int16_t)(x[t + 1] - x_zero) : (int16_t)0;
        to[3] = 0;
    }
}

/* The last 1 to 3 weights of a row, filled up with zeros; by bytes, since what lies behind them may be no memory. */
static inline uint32_t ounce_load_rest(const int8_t *w, int32_t rest)
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

#if OUNCE_DSP
#define OUNCE_QUAD(w4)                                          \
    do {                                                        \
        const uint32_t even = ounce_sxtb16(w4);                 \
        const uint32_t odd = ounce_sxtb16_odd(w4);              \
        const uint64_t c0 = quad[0];                            \
        const uint64_t c1 = quad[1];                            \
        s0 = ounce_smlad(even, (uint32_t)c0, s0);               \
        s0 = ounce_smlad(odd, (uint32_t)(c0 >> 32), s0);        \
        s1 = ounce_smlad(even, (uint32_t)c1, s1);               \
        s1 = ounce_smlad(odd, (uint32_t)(c1 >> 32), s1);        \
        const uint64_t c2 = quad[2];                            \
        const uint64_t c3 = quad[3];                            \
        s2 = ounce_smlad(even, (uint32_t)c2, s2);               \
        s2 = ounce_smlad(odd, (uint32_t)(c2 >> 32), s2);        \
        s3 = ounce_smlad(even, (uint32_t)c3, s3);               \
        s3 = ounce_smlad(odd, (uint32_t)(c3 >> 32), s3);        \
        quad = &quad[4];                                        \
    } while (0)

static inline void ounce_multiply_row(int32_t taps, const int16_t *block, const int8_t *w, int32_t bias, int32_t *sums)
{
    const uint64_t *quad = (const uint64_t *)(const void *)block;
    const int8_t *pair_end = &w[taps & ~7];
    const int8_t *end = &w[taps & ~3];
    const int32_t rest = taps & 3;
    int32_t s0 = bias;
    int32_t s1 = bias;
    int32_t s2 = bias;
    int32_t s3 = bias;
    while (w != pair_end) {
        const uint32_t first = ounce_load4(w);
        OUNCE_QUAD(first);
        const uint32_t second = ounce_load4(&w[4]);
        w = &w[8];
        OUNCE_QUAD(second);
    }
    if (w != end) {
        const uint32_t w4 = ounce_load4(w);
        w = &w[4];
        OUNCE_QUAD(w4);
    }
    if (rest != 0) {
        const uint32_t w4 = ounce_load_rest(w, rest);
        OUNCE_QUAD(w4);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
#else
static inline void ounce_multiply_row(int32_t taps, const int16_t *block, const int8_t *w, int32_t bias, int32_t *sums)
{
    static const int32_t place[4] = {0, 2, 1, 3};
    for (int32_t c = 0; c < 4; c++) {
        int32_t sum = bias;
        for (int32_t t = 0; t < taps; t++) {
            sum += block[(t >> 2) * 16 + c * 4 + place[t & 3]] * w[t];
        }
        sums[c] = sum;
    }
}
#endif

void ounce_multiply_block(int32_t taps, int32_t out_channels, const int16_t *block, int32_t columns, const int8_t *w,
                          const int32_t *bias, const ounce_requantize *r, int8_t *y, uint8_t *unclamped, size_t at)
{
    for (int32_t o = 0; o < out_channels; o++) {
        int32_t sums[4];
        ounce_multiply_row(taps, block, w, bias[o], sums);
        w = &w[taps];
#if OUNCE_DSP && OUNCE_VFP
        if (columns == 4) {
            ounce_store_columns4(r, o, sums, y, unclamped, at + (size_t)o, (size_t)out_channels);
        } else {
            ounce_store_column(r, o, sums, columns, y, unclamped, at + (size_t)o, (size_t)out_channels);
        }
#else
        ounce_store_column(r, o, sums, columns, y, unclamped, at + (size_t)o, (size_t)out_channels);
#endif
    }
}
