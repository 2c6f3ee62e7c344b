/* Four columns of activations times rows of weights, and what becomes of the sums. */
#include "ounce_internal.h"

int32_t ounce_requantize_one(const ounce_requantize *requantize, int32_t channel, int32_t sum)
{
    return ounce_requantized(requantize, channel, sum);
}

#if OUNCE_FAST
/* One sum to element `at`; `nearest` is a constant. */
OUNCE_INLINE void ounce_store_fast(int32_t sum, float scale, int32_t zero, int nearest, int8_t *y, uint8_t *unclamped, size_t at)
{
    const int32_t q = ounce_fast_sum(sum, scale, zero, nearest);
    const int32_t clamped = ounce_saturate8(q);
    y[at] = (int8_t)clamped;
    if (unclamped != NULL) {
        ounce_set_bit(unclamped, at, q == clamped);
    }
}

OUNCE_INLINE void ounce_store_places_fast(float scale, int32_t zero, int nearest, const int32_t *sums, int32_t count, int8_t *y,
                                          uint8_t *unclamped, size_t at, size_t stride)
{
    const int32_t *const end = &sums[count];
    while (sums != end) {
        ounce_store_fast(*sums, scale, zero, nearest, y, unclamped, at);
        sums = &sums[1];
        at += stride;
    }
}

/* Sums of `rows` channels at 4 places each. */
OUNCE_INLINE void ounce_store_rows_fast(const float *scale, int32_t zero, int nearest, const int32_t *sums, int32_t rows, int8_t *y,
                                        uint8_t *unclamped, size_t at, size_t stride)
{
    const int32_t *const end = &sums[4 * rows];
    while (sums != end) {
        const float factor = *scale;
        ounce_store_fast(sums[0], factor, zero, nearest, y, unclamped, at);
        ounce_store_fast(sums[1], factor, zero, nearest, y, unclamped, at + stride);
        ounce_store_fast(sums[2], factor, zero, nearest, y, unclamped, at + 2U * stride);
        ounce_store_fast(sums[3], factor, zero, nearest, y, unclamped, at + 3U * stride);
        sums = &sums[4];
        scale = &scale[1];
        at++;
    }
}
#endif

void ounce_store_places(const ounce_requantize *r, int32_t channel, const int32_t *sums, int32_t count, int8_t *y,
                        uint8_t *unclamped, size_t at, size_t stride)
{
#if OUNCE_FAST
    if (ounce_is_fast(r)) {
        const float scale = r->scale[channel];
        if (r->rounding == OUNCE_TRUNCATE) {
            ounce_store_places_fast(scale, r->zero, 0, sums, count, y, unclamped, at, stride);
        } else if (unclamped == NULL) {
            ounce_store_places_fast(scale, r->zero, 1, sums, count, y, NULL, at, stride);
        } else {
            ounce_store_places_fast(scale, r->zero, 1, sums, count, y, unclamped, at, stride);
        }
        return;
    }
#endif
    for (int32_t c = 0; c < count; c++) {
        ounce_store(r, channel, sums[c], y, unclamped, at + (size_t)c * stride);
    }
}

/* Sums [rows][4] of channels from `channel` on, at `columns` places each. */
static void ounce_store_rows(const ounce_requantize *r, int32_t channel, const int32_t *sums, int32_t rows, int32_t columns, int8_t *y,
                             uint8_t *unclamped, size_t at, size_t stride)
{
#if OUNCE_FAST
    if ((columns == 4) && ounce_is_fast(r)) {
        const float *scale = &r->scale[channel];
        if (r->rounding == OUNCE_TRUNCATE) {
            ounce_store_rows_fast(scale, r->zero, 0, sums, rows, y, unclamped, at, stride);
        } else if (unclamped == NULL) {
            ounce_store_rows_fast(scale, r->zero, 1, sums, rows, y, NULL, at, stride);
        } else {
            ounce_store_rows_fast(scale, r->zero, 1, sums, rows, y, unclamped, at, stride);
        }
        return;
    }
#endif
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t c = 0; c < columns; c++) {
            ounce_store(r, channel + row, sums[4 * row + c], y, unclamped, at + (size_t)row + (size_t)c * stride);
        }
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

/* All taps but the last taps % 8 of one row; the sums so far are in `sums`. Always of 4 columns. */
OUNCE_INLINE void ounce_multiply_row(int32_t taps, const int16_t *block, const int8_t *w, int32_t bias, int32_t *sums)
{
    const uint64_t *quad = (const uint64_t *)(const void *)block;
    const int8_t *const pair_end = &w[taps & ~7];
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
    if ((taps & 7) != 0) {
        if ((taps & 4) != 0) {
            const uint32_t w4 = ounce_load4(w);
            w = &w[4];
            OUNCE_QUAD(w4);
        }
        if ((taps & 3) != 0) {
            const uint32_t w4 = ounce_load_rest(w, taps & 3);
            OUNCE_QUAD(w4);
        }
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
#else
OUNCE_INLINE void ounce_multiply_row(int32_t taps, const int16_t *block, const int8_t *w, int32_t bias, int32_t *sums)
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

/* Rows whose sums are held at a time. */
#define OUNCE_ROWS 16

void ounce_multiply_block(int32_t taps, int32_t out_channels, const int16_t *block, int32_t columns, const int8_t *w,
                          const int32_t *bias, const ounce_requantize *r, int8_t *y, uint8_t *unclamped, size_t at)
{
    for (int32_t o = 0; o < out_channels; o += OUNCE_ROWS) {
        const int32_t rows = ((out_channels - o) < OUNCE_ROWS) ? (out_channels - o) : OUNCE_ROWS;
        int32_t sums[4 * OUNCE_ROWS];
        const int32_t *const end = &sums[4 * rows];
        for (int32_t *to = sums; to != end; to = &to[4]) {
            ounce_multiply_row(taps, block, w, *bias, to);
            w = &w[taps];
            bias = &bias[1];
        }
        ounce_store_rows(r, o, sums, rows, columns, y, unclamped, at + (size_t)o, (size_t)out_channels);
    }
}
