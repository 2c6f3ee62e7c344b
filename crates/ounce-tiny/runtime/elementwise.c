/* Additions, pooling and conversion of int8 activations. */
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
    if (unclamped != NULL) {
        (void)memset(unclamped, 0, (count + 7U) / 8U);
    }
    for (size_t i = 0U; i < count; i++) {
        const float real = (float)(a[i] - a_zero) * a_scale + (float)(b[i] - b_zero) * b_scale;
        const float scaled = real / y_scale;
        const int32_t q = ((nearest != 0) ? ounce_round_even(scaled) : ounce_round_zero(scaled)) + y_zero;
        const int32_t clamped = ounce_saturate8(q);
        y[i] = (int8_t)clamped;
        if (unclamped != NULL) {
            ounce_set_bit(unclamped, i, q == clamped);
        }
    }
}

void ounce_add_fixed_s8(size_t count, const int8_t *a, const int8_t *b, const ounce_fixed_addition *addition, int8_t *y)
{
    for (size_t i = 0U; i < count; i++) {
        const int32_t wide_a = (a[i] - addition->a_zero) * 1048576;
        const int32_t wide_b = (b[i] - addition->b_zero) * 1048576;
        const int32_t sum = ounce_multiply_fixed(wide_a, addition->a_multiplier, addition->a_shift) +
                            ounce_multiply_fixed(wide_b, addition->b_multiplier, addition->b_shift);
        const int32_t q = ounce_multiply_fixed(sum, addition->y_multiplier, addition->y_shift) + addition->y_zero;
        y[i] = (int8_t)ounce_clamp(q, addition->low, addition->high);
    }
}

/* Rows and columns of the image that the window at output (oy, ox) covers: from `top` to before `bottom`, likewise columns. */
typedef struct {
    int32_t top;
    int32_t bottom;
    int32_t left;
    int32_t right;
} ounce_cover;

static ounce_cover ounce_covered(const ounce_conv *window, int32_t oy, int32_t ox)
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

static int32_t ounce_mean(ounce_rounding rounding, int32_t sum, int32_t count)
{
    int32_t mean;
    if (rounding == OUNCE_NEAREST) {
        mean = ounce_round_even((float)sum / (float)count);
    } else if (rounding == OUNCE_TRUNCATE) {
        mean = sum / count;
    } else {
        mean = (sum + ((sum < 0) ? -(count / 2) : (count / 2))) / count;
    }
    return mean;
}

void ounce_average_pool_s8(const ounce_conv *window, ounce_rounding rounding, const int8_t *x, int8_t *y)
{
    const int32_t channels = window->in_channels;
    for (int32_t oy = 0; oy < window->out_height; oy++) {
        for (int32_t ox = 0; ox < window->out_width; ox++) {
            const ounce_cover cover = ounce_covered(window, oy, ox);
            const int32_t count = (cover.bottom - cover.top) * (cover.right - cover.left);
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = 0;
                for (int32_t iy = cover.top; iy < cover.bottom; iy++) {
                    for (int32_t ix = cover.left; ix < cover.right; ix++) {
                        sum += x[(iy * window->in_width + ix) * channels + c];
                    }
                }
                y[(oy * window->out_width + ox) * channels + c] = (int8_t)ounce_mean(rounding, sum, count);
            }
        }
    }
}

void ounce_max_pool_s8(const ounce_conv *window, const int8_t *x, int8_t *y)
{
    const int32_t channels = window->in_channels;
    for (int32_t oy = 0; oy < window->out_height; oy++) {
        for (int32_t ox = 0; ox < window->out_width; ox++) {
            const ounce_cover cover = ounce_covered(window, oy, ox);
            for (int32_t c = 0; c < channels; c++) {
                int8_t most = -128;
                for (int32_t iy = cover.top; iy < cover.bottom; iy++) {
                    for (int32_t ix = cover.left; ix < cover.right; ix++) {
                        const int8_t value = x[(iy * window->in_width + ix) * channels + c];
                        most = (value > most) ? value : most;
                    }
                }
                y[(oy * window->out_width + ox) * channels + c] = most;
            }
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

void ounce_first_channels(int32_t pixels, size_t bytes, size_t kept, const void *x, void *y)
{
    const uint8_t *from = x;
    uint8_t *to = y;
    for (int32_t p = 0; p < pixels; p++) {
        (void)memmove(to, from, kept);
        from = &from[bytes];
        to = &to[kept];
    }
}
