/* Means and maxima of int8 activations. */
#include "ounce_internal.h"

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

void ounce_mean_fixed_s8(int32_t outputs, size_t step, int32_t count, size_t distance, const ounce_fixed_mean *mean, const int8_t *x,
                         int8_t *y)
{
    for (int32_t o = 0; o < outputs; o++) {
        const int8_t *from = &x[(size_t)o * step];
        int32_t sum = 0;
        for (int32_t i = 0; i < count; i++) {
            sum += *from - mean->x_zero;
            from = &from[distance];
        }
        y[o] = (int8_t)ounce_saturate8(ounce_multiply_fixed(sum, mean->multiplier, mean->shift) + mean->y_zero);
    }
}
