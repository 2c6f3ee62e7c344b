/* Means and maxima of int8 activations. */
#include "ounce_internal.h"

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
