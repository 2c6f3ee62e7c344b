/* Gradients of means and maxima over windows. */
#include "ounce_internal.h"

static void ounce_clear(const ounce_conv *window, float *gx)
{
    const int32_t count = window->in_height * window->in_width * window->in_channels;
    for (int32_t i = 0; i < count; i++) {
        gx[i] = 0.0f;
    }
}

void ounce_average_pool_gradient(const ounce_conv *window, const float *g, float *gx)
{
    const int32_t channels = window->in_channels;
    ounce_clear(window, gx);
    for (int32_t oy = 0; oy < window->out_height; oy++) {
        for (int32_t ox = 0; ox < window->out_width; ox++) {
            const ounce_cover cover = ounce_covered(window, oy, ox);
            const float count = (float)((cover.bottom - cover.top) * (cover.right - cover.left));
            const float *from = &g[(oy * window->out_width + ox) * channels];
            for (int32_t iy = cover.top; iy < cover.bottom; iy++) {
                for (int32_t ix = cover.left; ix < cover.right; ix++) {
                    float *to = &gx[(iy * window->in_width + ix) * channels];
                    for (int32_t c = 0; c < channels; c++) {
                        to[c] += from[c] / count;
                    }
                }
            }
        }
    }
}

void ounce_max_pool_gradient(const ounce_conv *window, const int8_t *x, const float *g, float *gx)
{
    const int32_t channels = window->in_channels;
    ounce_clear(window, gx);
    for (int32_t oy = 0; oy < window->out_height; oy++) {
        for (int32_t ox = 0; ox < window->out_width; ox++) {
            const ounce_cover cover = ounce_covered(window, oy, ox);
            for (int32_t c = 0; c < channels; c++) {
                int32_t best = (cover.top * window->in_width + cover.left) * channels + c;
                for (int32_t iy = cover.top; iy < cover.bottom; iy++) {
                    for (int32_t ix = cover.left; ix < cover.right; ix++) {
                        const int32_t at = (iy * window->in_width + ix) * channels + c;
                        best = (x[at] > x[best]) ? at : best;
                    }
                }
                gx[best] += g[(oy * window->out_width + ox) * channels + c];
            }
        }
    }
}
