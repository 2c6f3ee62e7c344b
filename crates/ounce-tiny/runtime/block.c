/* Four columns of activations times rows of weights, and what becomes of the sums. */
#include "ounce_internal.h"

int32_t ounce_requantize_one(const ounce_requantize *requantize, int32_t channel, int32_t sum)
{
    return ounce_requantized(requantize, channel, sum);
}

#if OUNCE_FAST
OUNCE_INLINE void ounce_store_places_fast(const ounce_requantize *r, int32_t channel, ounce_rounding rounding, const int32_t *sums,
                                          int32_t count, int8_t *y, uint8_t *unclamped, size_t at, size_t stride)
{
    const ounce_factor factor = ounce_factor_of(r, channel, rounding);
    const int32_t zero = r->zero;
    const int32_t *const end = &sums[count];
    while (sums != end) {
        const int32_t q = ounce_fast_sum(*sums, &factor, zero, rounding);
        const int32_t clamped = ounce_saturate8(q);
        y[at] = (int8_t)clamped;
        if (unclamped != NULL) {
            ounce_set_bit(unclamped, at, q == clamped);
        }
        sums = &sums[1];
        at += stride;
    }
}

/* Sums of `rows` channels at 4 places each. */
OUNCE_INLINE void ounce_store_rows_fast(const ounce_requantize *r, int32_t channel, ounce_rounding rounding, const int32_t *sums,
                                        int32_t rows, int8_t *y, uint8_t *unclamped, size_t at, size_t stride)
{
    /* A copy, since for all the compiler knows bytes of y may lie in *r. */
    const ounce_requantize copy = *r;
    const int32_t zero = copy.zero;
    const int32_t *const end = &sums[4 * rows];
    int8_t *to = &y[at];
    while (sums != end) {
        const ounce_factor factor = ounce_factor_of(&copy, channel, rounding);
        const int32_t q0 = ounce_fast_sum(sums[0], &factor, zero, rounding);
        const int32_t q1 = ounce_fast_sum(sums[1], &factor, zero, rounding);
        const int32_t q2 = ounce_fast_sum(sums[2], &factor, zero, rounding);
        const int32_t q3 = ounce_fast_sum(sums[3], &factor, zero, rounding);
        const int32_t c0 = ounce_saturate8(q0);
        const int32_t c1 = ounce_saturate8(q1);
        const int32_t c2 = ounce_saturate8(q2);
        const int32_t c3 = ounce_saturate8(q3);
        to[0] = (int8_t)c0;
        to[stride] = (int8_t)c1;
        to[2U * stride] = (int8_t)c2;
        to[3U * stride] = (int8_t)c3;
        if (unclamped != NULL) {
            ounce_set_bit(unclamped, at, q0 == c0);
            ounce_set_bit(unclamped, at + stride, q1 == c1);
            ounce_set_bit(unclamped, at + 2U * stride, q2 == c2);
            ounce_set_bit(unclamped, at + 3U * stride, q3 == c3);
            at++;
        }
        sums = &sums[4];
        channel++;
        to = &to[1];
    }
}
#endif

void ounce_store_places(const ounce_requantize *r, int32_t channel, const int32_t *sums, int32_t count, int8_t *y,
                        uint8_t *unclamped, size_t at, size_t stride)
{
    uint8_t *const bits = ounce_saved(unclamped);
#if OUNCE_FAST
    if (ounce_is_fast(r)) {
        if (ounce_rounds(r, OUNCE_FIXED_POINT)) {
            ounce_store_places_fast(r, channel, OUNCE_FIXED_POINT, sums, count, y, bits, at, stride);
        } else if (ounce_rounds(r, OUNCE_TRUNCATE)) {
            ounce_store_places_fast(r, channel, OUNCE_TRUNCATE, sums, count, y, bits, at, stride);
        } else if (OUNCE_WITH_NEAREST && (bits == NULL)) {
            ounce_store_places_fast(r, channel, OUNCE_NEAREST, sums, count, y, NULL, at, stride);
        } else if (OUNCE_WITH_NEAREST) {
            ounce_store_places_fast(r, channel, OUNCE_NEAREST, sums, count, y, bits, at, stride);
        }
        return;
    }
#endif
    for (int32_t c = 0; c < count; c++) {
        ounce_store(r, channel, sums[c], y, bits, at + (size_t)c * stride);
    }
}

/* Sums [rows][4] of channels from `channel` on, at `columns` places each. */
OUNCE_APART void ounce_store_rows(const ounce_requantize *r, int32_t channel, const int32_t *sums, int32_t rows, int32_t columns, int8_t *y,
                                  uint8_t *unclamped, size_t at, size_t stride)
{
    uint8_t *const bits = ounce_saved(unclamped);
#if OUNCE_FAST
    if ((columns == 4) && ounce_is_fast(r)) {
        if (ounce_rounds(r, OUNCE_FIXED_POINT)) {
            ounce_store_rows_fast(r, channel, OUNCE_FIXED_POINT, sums, rows, y, bits, at, stride);
        } else if (ounce_rounds(r, OUNCE_TRUNCATE)) {
            ounce_store_rows_fast(r, channel, OUNCE_TRUNCATE, sums, rows, y, bits, at, stride);
        } else if (OUNCE_WITH_NEAREST && (bits == NULL)) {
            ounce_store_rows_fast(r, channel, OUNCE_NEAREST, sums, rows, y, NULL, at, stride);
        } else if (OUNCE_WITH_NEAREST) {
            ounce_store_rows_fast(r, channel, OUNCE_NEAREST, sums, rows, y, bits, at, stride);
        }
        return;
    }
#endif
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t c = 0; c < columns; c++) {
            ounce_store(r, channel + row, sums[4 * row + c], y, bits, at + (size_t)row + (size_t)c * stride);
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
        *(ounce_quad *)(void *)to = pairs;
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

#if OUNCE_DSP
/* Two words of the block at once; compilers do not always see that they may. */
#define OUNCE_LOAD_PAIR(first, second, offset)                          \
    __asm__("ldrd %0, %1, [%2, %3]"                                     \
            : "=r"(first), "=r"(second)                                 \
            : "r"(quad), "i"(offset), "m"(*(const ounce_quad(*)[8])(const void *)quad))

/* Four taps times four columns, of the block from `offset` bytes behind `quad`. */
#define OUNCE_QUAD(w4, offset)                          \
    do {                                                \
        const uint32_t even = ounce_sxtb16(w4);         \
        const uint32_t odd = ounce_sxtb16_odd(w4);      \
        uint32_t x_even;                                \
        uint32_t x_odd;                                 \
        OUNCE_LOAD_PAIR(x_even, x_odd, (offset));       \
        s0 = ounce_smlad(even, x_even, s0);             \
        s0 = ounce_smlad(odd, x_odd, s0);               \
        OUNCE_LOAD_PAIR(x_even, x_odd, (offset) + 8);   \
        s1 = ounce_smlad(even, x_even, s1);             \
        s1 = ounce_smlad(odd, x_odd, s1);               \
        OUNCE_LOAD_PAIR(x_even, x_odd, (offset) + 16);  \
        s2 = ounce_smlad(even, x_even, s2);             \
        s2 = ounce_smlad(odd, x_odd, s2);               \
        OUNCE_LOAD_PAIR(x_even, x_odd, (offset) + 24);  \
        s3 = ounce_smlad(even, x_even, s3);             \
        s3 = ounce_smlad(odd, x_odd, s3);               \
    } while (0)

/* One row times four columns. `even_taps` is a constant: taps are a multiple of 8. */
OUNCE_INLINE void ounce_multiply_row(int32_t taps, int even_taps, const int16_t *block, const int8_t *w, int32_t bias, int32_t *sums)
{
    const ounce_quad *quad = (const ounce_quad *)(const void *)block;
    const int8_t *const pair_end = &w[(even_taps != 0) ? taps : (taps & ~7)];
    int32_t s0 = bias;
    int32_t s1 = bias;
    int32_t s2 = bias;
    int32_t s3 = bias;
    while (w != pair_end) {
        const uint32_t first = ounce_load4(w);
        const uint32_t second = ounce_load4(&w[4]);
        OUNCE_QUAD(first, 0);
        OUNCE_QUAD(second, 32);
        w = &w[8];
        quad = &quad[8];
    }
    if (even_taps == 0) {
        if ((taps & 4) != 0) {
            const uint32_t w4 = ounce_load4(w);
            OUNCE_QUAD(w4, 0);
            w = &w[4];
            quad = &quad[4];
        }
        if ((taps & 3) != 0) {
            const uint32_t w4 = ounce_load_rest(w, taps & 3);
            OUNCE_QUAD(w4, 0);
        }
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
#else
OUNCE_INLINE void ounce_multiply_row(int32_t taps, int even_taps, const int16_t *block, const int8_t *w, int32_t bias, int32_t *sums)
{
    (void)even_taps;
    static const int32_t place[4] = {0, 2, 1, 3};
    for (int32_t c = 0; c < 4; c++) {
        int32_t sum = bias;
        for (int32_t t = 0; t < taps; t++) {
            sum = ounce_wrapping_add(sum, block[(t >> 2) * 16 + c * 4 + place[t & 3]] * w[t]);
        }
        sums[c] = sum;
    }
}
#endif

OUNCE_APART void ounce_multiply_rows(int32_t taps, int32_t rows, const int16_t *block, const int8_t *w, const int32_t *bias, int32_t *sums)
{
    const int32_t *const end = &bias[rows];
    if ((taps & 7) == 0) {
        for (; bias != end; bias = &bias[1]) {
            ounce_multiply_row(taps, 1, block, w, *bias, sums);
            w = &w[taps];
            sums = &sums[4];
        }
    } else {
        for (; bias != end; bias = &bias[1]) {
            ounce_multiply_row(taps, 0, block, w, *bias, sums);
            w = &w[taps];
            sums = &sums[4];
        }
    }
}

/* Rows whose sums are held at a time. */
#define OUNCE_ROWS 32

void ounce_multiply_block(int32_t taps, int32_t out_channels, const int16_t *block, int32_t columns, const int8_t *w,
                          const int32_t *bias, const ounce_requantize *r, int8_t *y, uint8_t *unclamped, size_t at)
{
    for (int32_t o = 0; o < out_channels; o += OUNCE_ROWS) {
        const int32_t rows = ((out_channels - o) < OUNCE_ROWS) ? (out_channels - o) : OUNCE_ROWS;
        int32_t sums[4 * OUNCE_ROWS];
        ounce_multiply_rows(taps, rows, block, &w[o * taps], &bias[o], sums);
        ounce_store_rows(r, o, sums, rows, columns, y, unclamped, at + (size_t)o, (size_t)out_channels);
    }
}
