/* Convolutions in groups, with dilation, with several results for each channel. */
#include "ounce_internal.h"

/* Copies what the kernel sees of one group at output (oy, ox): [kernel row][kernel column][channel], padding as the zero point. `x` is the group's
 * first channel. */
static void ounce_gather_group(const ounce_conv *conv, const ounce_grouping *grouping, int32_t channels, const int8_t *x,
                               int32_t x_zero, int32_t oy, int32_t ox, int8_t *to)
{
    for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
        const int32_t iy = oy * conv->stride_height - conv->pad_top + ky * grouping->dilation_height;
        const int in_image = (iy >= 0) && (iy < conv->in_height);
        for (int32_t kx = 0; kx < conv->kernel_width; kx++) {
            const int32_t ix = ox * conv->stride_width - conv->pad_left + kx * grouping->dilation_width;
            if (in_image && (ix >= 0) && (ix < conv->in_width)) {
                (void)memcpy(to, &x[(iy * conv->in_width + ix) * conv->in_channels], (size_t)channels);
            } else {
                (void)memset(to, x_zero, (size_t)channels);
            }
            to = &to[channels];
        }
    }
}

void ounce_grouped_conv_s8(const ounce_conv *conv, const ounce_grouping *grouping, const int8_t *x, int32_t x_zero, const int8_t *w,
                           const int32_t *bias, const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch)
{
    const int32_t inputs = conv->in_channels / grouping->groups;
    const int32_t outputs = conv->out_channels / grouping->groups;
    const int32_t taps = conv->kernel_height * conv->kernel_width * inputs;
    int8_t *window = scratch;
    size_t at = 0U;
    if (unclamped != NULL) {
        const size_t count = (size_t)conv->out_height * (size_t)conv->out_width * (size_t)conv->out_channels;
        (void)memset(unclamped, 0, (count + 7U) / 8U);
    }
    for (int32_t oy = 0; oy < conv->out_height; oy++) {
        for (int32_t ox = 0; ox < conv->out_width; ox++) {
            for (int32_t group = 0; group < grouping->groups; group++) {
                ounce_gather_group(conv, grouping, inputs, &x[group * inputs], x_zero, oy, ox, window);
                for (int32_t o = group * outputs; o < (group + 1) * outputs; o++) {
                    const int32_t sum = ounce_wrapping_add(bias[o], ounce_dot(taps, window, x_zero, &w[o * taps]));
                    ounce_store(requantize, o, sum, y, unclamped, at);
                    at++;
                }
            }
        }
    }
}
