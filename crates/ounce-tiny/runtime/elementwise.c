/* Additions, functions of single bytes, and conversion of int8 activations. */
#include "ounce_internal.h"

void ounce_add_s8(size_t count, const int8_t *a, const int8_t *b, const ounce_addition *addition, int8_t *y, uint8_t *unclamped)
{
    const float a_scale = addition->a_scale;
    const float b_scale = addition->b_scale;
    const float y_scale = addition->y_scale;
    const int32_t a_zero = addition->a_zero;
    const int32_t b_zero = addition->b_zero;
    const int32_t y_zero = addition->y_zero;
    const int nearest = (addition->rounding == OUNCE_NEAREST) ? 1 : 0;
    const float float_zero = (float)y_zero;
    if (unclamped != NULL) {
        (void)memset(unclamped, 0, (count + 7U) / 8U);
    }
    for (size_t i = 0U; i < count; i++) {
        const float real = (float)(a[i] - a_zero) * a_scale + (float)(b[i] - b_zero) * b_scale;
        const float scaled = real / y_scale;
        const int32_t q = (nearest != 0) ? (ounce_round_even(scaled) + y_zero) : ounce_round_away(scaled + float_zero);
        const int32_t clamped = ounce_saturate8(q);
        y[i] = (int8_t)clamped;
        if (unclamped != NULL) {
            ounce_set_bit(unclamped, i, q == clamped);
        }
    }
}

void ounce_add_fixed_s8(size_t count, const int8_t *a, const int8_t *b, const ounce_fixed_addition *addition, int8_t *y,
                        uint8_t *unclamped)
{
    if (unclamped != NULL) {
        (void)memset(unclamped, 0, (count + 7U) / 8U);
    }
    for (size_t i = 0U; i < count; i++) {
        const int32_t wide_a = (a[i] - addition->a_zero) * 1048576;
        const int32_t wide_b = (b[i] - addition->b_zero) * 1048576;
        const int32_t sum = ounce_multiply_fixed(wide_a, addition->a_multiplier, addition->a_shift) +
                            ounce_multiply_fixed(wide_b, addition->b_multiplier, addition->b_shift);
        const int32_t q = ounce_multiply_fixed(sum, addition->y_multiplier, addition->y_shift) + addition->y_zero;
        const int32_t clamped = ounce_clamp(q, addition->low, addition->high);
        y[i] = (int8_t)clamped;
        if (unclamped != NULL) {
            ounce_set_bit(unclamped, i, q == clamped);
        }
    }
}

void ounce_dequantize_s8(size_t count, const int8_t *x, int32_t zero, float scale, float *y)
{
    for (size_t i = 0U; i < count; i++) {
        y[i] = (float)(x[i] - zero) * scale;
    }
}

void ounce_quantize_s8(size_t count, const float *x, float scale, int32_t zero, int8_t *y)
{
    for (size_t i = 0U; i < count; i++) {
        y[i] = (int8_t)ounce_saturate8(ounce_round_even(x[i] / scale) + zero);
    }
}

void ounce_lookup_s8(size_t count, const int8_t *x, const int8_t *table, int8_t *y)
{
    for (size_t i = 0U; i < count; i++) {
        y[i] = table[x[i] + 128];
    }
}

void ounce_clip_s8(size_t count, int32_t low, int32_t high, const int8_t *x, int8_t *y)
{
    for (size_t i = 0U; i < count; i++) {
        y[i] = (int8_t)ounce_clamp(x[i], low, high);
    }
}
