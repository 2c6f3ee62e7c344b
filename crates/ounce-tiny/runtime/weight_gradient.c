/* Gradients of weights, of selected input channels only. */
#include "ounce_internal.h"

/* Four outputs and four inputs at once. */
static void ounce_weight_gradient_tile(int32_t pixels, int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero,
                                       const float *g, const int32_t *inputs, int32_t columns, float *gw)
{
    const int8_t *x0 = &x[inputs[0]];
    const int8_t *x1 = &x[inputs[1]];
    const int8_t *x2 = &x[inputs[2]];
    const int8_t *x3 = &x[inputs[3]];
    float a00 = 0.0f, a01 = 0.0f, a02 = 0.0f, a03 = 0.0f;
    float a10 = 0.0f, a11 = 0.0f, a12 = 0.0f, a13 = 0.0f;
    float a20 = 0.0f, a21 = 0.0f, a22 = 0.0f, a23 = 0.0f;
    float a30 = 0.0f, a31 = 0.0f, a32 = 0.0f, a33 = 0.0f;
    for (int32_t p = 0; p < pixels; p++) {
        const float v0 = (float)(*x0 - x_zero);
        const float v1 = (float)(*x1 - x_zero);
        const float v2 = (float)(*x2 - x_zero);
        const float v3 = (float)(*x3 - x_zero);
        a00 += v0 * g[0];
        a01 += v1 * g[0];
        a02 += v2 * g[0];
        a03 += v3 * g[0];
        a10 += v0 * g[1];
        a11 += v1 * g[1];
        a12 += v2 * g[1];
        a13 += v3 * g[1];
        a20 += v0 * g[2];
        a21 += v1 * g[2];
        a22 += v2 * g[2];
        a23 += v3 * g[2];
        a30 += v0 * g[3];
        a31 += v1 * g[3];
        a32 += v2 * g[3];
        a33 += v3 * g[3];
        x0 = &x0[in_channels];
        x1 = &x1[in_channels];
        x2 = &x2[in_channels];
        x3 = &x3[in_channels];
        g = &g[out_channels];
    }
    gw[0] = a00;
    gw[1] = a01;
    gw[2] = a02;
    gw[3] = a03;
    gw = &gw[columns];
    gw[0] = a10;
    gw[1] = a11;
    gw[2] = a12;
    gw[3] = a13;
    gw = &gw[columns];
    gw[0] = a20;
    gw[1] = a21;
    gw[2] = a22;
    gw[3] = a23;
    gw = &gw[columns];
    gw[0] = a30;
    gw[1] = a31;
    gw[2] = a32;
    gw[3] = a33;
}

void ounce_pointwise_weight_gradient(int32_t pixels, int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero,
                                     const float *g, const ounce_selection *selection, int32_t first, int32_t rows, float *gw)
{
    const int32_t columns = selection->count;
    for (int32_t row = 0; row < rows; row += 4) {
        const int32_t high = ((rows - row) < 4) ? (rows - row) : 4;
        for (int32_t k = 0; k < columns; k += 4) {
            const int32_t wide = ((columns - k) < 4) ? (columns - k) : 4;
            if ((high == 4) && (wide == 4)) {
                const int32_t inputs[4] = {ounce_selected(selection, k), ounce_selected(selection, k + 1),
                                           ounce_selected(selection, k + 2), ounce_selected(selection, k + 3)};
                ounce_weight_gradient_tile(pixels, in_channels, out_channels, x, x_zero, &g[first + row], inputs, columns,
                                           &gw[row * columns + k]);
            } else {
                for (int32_t cell = 0; cell < (high * wide); cell++) {
                    const int32_t r = row + cell / wide;
                    const int32_t c = k + cell % wide;
                    const int32_t input = ounce_selected(selection, c);
                    float sum = 0.0f;
                    for (int32_t p = 0; p < pixels; p++) {
                        sum += (float)(x[p * in_channels + input] - x_zero) * g[p * out_channels + first + r];
                    }
                    gw[r * columns + c] = sum;
                }
            }
        }
    }
}

/* sum over oy, ox ascending, of taps within the image, of (x - x_zero) * g for one tap, one input and one output channel. */
static float ounce_tap_gradient(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const float *g, int32_t ky, int32_t kx,
                                int32_t input, int32_t output)
{
    float sum = 0.0f;
    for (int32_t oy = 0; oy < conv->out_height; oy++) {
        const int32_t iy = oy * conv->stride_height - conv->pad_top + ky;
        if ((iy >= 0) && (iy < conv->in_height)) {
            for (int32_t ox = 0; ox < conv->out_width; ox++) {
                const int32_t ix = ox * conv->stride_width - conv->pad_left + kx;
                if ((ix >= 0) && (ix < conv->in_width)) {
                    sum += (float)(x[(iy * conv->in_width + ix) * conv->in_channels + input] - x_zero) *
                           g[(oy * conv->out_width + ox) * conv->out_channels + output];
                }
            }
        }
    }
    return sum;
}

void ounce_conv_weight_gradient(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const float *g,
                                const ounce_selection *selection, int32_t first, int32_t rows, float *gw)
{
    for (int32_t o = first; o < (first + rows); o++) {
        for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
            for (int32_t kx = 0; kx < conv->kernel_width; kx++) {
                for (int32_t k = 0; k < selection->count; k++) {
                    *gw = ounce_tap_gradient(conv, x, x_zero, g, ky, kx, ounce_selected(selection, k), o);
                    gw = &gw[1];
                }
            }
        }
    }
}

void ounce_depthwise_weight_gradient(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const float *g,
                                     const ounce_selection *selection, int32_t first, int32_t rows, float *gw)
{
    for (int32_t k = first; k < (first + rows); k++) {
        const int32_t channel = ounce_selected(selection, k);
        for (int32_t ky = 0; ky < conv->kernel_height; ky++) {
            for (int32_t kx = 0; kx < conv->kernel_width; kx++) {
                *gw = ounce_tap_gradient(conv, x, x_zero, g, ky, kx, channel, channel);
                gw = &gw[1];
            }
        }
    }
}
