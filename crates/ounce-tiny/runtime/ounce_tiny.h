/*
 * Run-time of networks compiled by Ounce for microcontrollers: int8 inference and training with batch 1.
 *
 * Contract of all functions:
 *  - C99, no allocation, no global state, no recursion. Buffers belong to the caller. Arguments are not checked: who emits the
 *    calls checks shapes.
 *  - Images are HWC: element (y, x, c) at (y * width + x) * channels + c. Weights of a convolution are OHWI: output channel,
 *    kernel row, kernel column, input channel; of a depthwise one [channel][kernel row][kernel column].
 *  - A quantized activation stands for (q - zero) * scale. Weights are symmetric. Sums are int32 and wrap around; a kernel may have at most
 *    65000 taps. Padding stands for 0.
 *  - Bits are packed eight to a byte, the first in the lowest bit, in the order of the elements.
 *  - Floating-point: single precision, every operation rounded to nearest even, no fused multiply-add. Compile with
 *    -ffp-contract=off and without -ffast-math. "sum over a, b ascending" means: the accumulator starts with +0, and
 *    products are added one after the other, b running fastest. Subnormal numbers count: leave flush-to-zero off.
 *  - With __ARM_FEATURE_DSP (Cortex-M4, M7, M33) integer kernels use SIMD instructions, unless OUNCE_TINY_PLAIN is defined.
 *    Results are the same bit for bit.
 *  - Pointers to int32_t, float and scratch are aligned to 8 where it says so and else to their type; int8_t needs no alignment.
 */
#ifndef OUNCE_TINY_H
#define OUNCE_TINY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Shapes ---- */

/* A convolution or pooling. The output element (oy, ox) sees rows oy * stride_height - pad_top + ky and columns likewise; padding below and
 * to the right is what the output's extents imply. */
typedef struct {
    int32_t in_height;
    int32_t in_width;
    int32_t in_channels;
    int32_t out_height;
    int32_t out_width;
    int32_t out_channels;
    int32_t kernel_height;
    int32_t kernel_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;
    int32_t pad_left;
} ounce_conv;

/* ---- Requantization ---- */

typedef enum {
    /* q = round_half_to_even((float)sum * scale[c]) + zero: the default, as torch.round. */
    OUNCE_NEAREST = 0,
    /* q = towards_zero((float)sum * scale[c]) + zero: what TinyEngine's kernels compute. */
    OUNCE_TRUNCATE = 1,
    /* q = sum * multiplier[c] * 2^(shift[c] - 31) + zero as TFLite computes it, with two roundings (gemmlowp). */
    OUNCE_FIXED_POINT = 2,
    /* of additions alone: ties away from zero, once the zero point is added */
    OUNCE_AWAY = 3
} ounce_rounding;

/* From int32 sums to int8: q, then clamped to low..high. Products beyond +-2^22 count as +-2^22 before zero is added. */
typedef struct {
    ounce_rounding rounding;
    const float *scale;        /* per output channel; of OUNCE_NEAREST and OUNCE_TRUNCATE */
    const int32_t *multiplier; /* per output channel, 0 or more; of OUNCE_FIXED_POINT */
    const int32_t *shift;      /* per output channel, positive to the left, -31..30; of OUNCE_FIXED_POINT */
    int32_t zero;
    int32_t low;  /* -128..127 */
    int32_t high; /* low..127 */
} ounce_requantize;

/* One sum of channel `channel`, requantized but not clamped. */
int32_t ounce_requantize_one(const ounce_requantize *requantize, int32_t channel, int32_t sum);

/* ---- Inference ---- */

/* Bytes of scratch, aligned to 8. A plane is one channel with its padding: as far as windows reach, and at least to the end of the image. */
#define OUNCE_ROUND4(n) (((n) + 3) & ~3)
#define OUNCE_POINTWISE_SCRATCH(in_channels) (8 * OUNCE_ROUND4(in_channels))
#define OUNCE_CONV_SCRATCH(kernel_height, kernel_width, in_channels) \
    (9 * OUNCE_ROUND4((kernel_height) * (kernel_width) * (in_channels)) + 8)
#define OUNCE_DEPTHWISE_SCRATCH(plane_height, plane_width, kernel_height, kernel_width) \
    (OUNCE_ROUND4((plane_height) * (plane_width) + 8) + (kernel_height) * 8 * (((kernel_width) + 3) / 4))
#define OUNCE_DEPTHWISE_GRADIENT_SCRATCH(out_height, out_width, kernel_height, kernel_width) \
    (4 * (((out_height) + 2 * (kernel_height)) * ((out_width) + 2 * (kernel_width)) + (kernel_height) * (kernel_width)))

/* y[p][o] = requantize(sum_i (x[p][i] - x_zero) * w[o][i] + bias[o]), p < pixels. `y` may be `x`: pixels are worked on in the order in which no
 * output overwrites an input that is still needed. `unclamped` (may be NULL) gets a bit per output: 1 where low <= q <= high
 * before clamping. It is written whole, (pixels * out_channels + 7) / 8 bytes. */
void ounce_pointwise_s8(int32_t pixels, int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch);

/* Any convolution with one group; also the first layer of a network. `y` and `x` must not overlap. */
void ounce_conv_s8(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const int8_t *w, const int32_t *bias,
                   const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch);

/* Channels in groups, each with in_channels / groups inputs and out_channels / groups outputs, and taps that lie apart. */
typedef struct {
    int32_t groups;
    int32_t dilation_height;
    int32_t dilation_width;
} ounce_grouping;

/* Any convolution: with groups, dilation, several results for each channel. Weights are [output][kernel row][kernel column][input of the group], scratch is as
 * many bytes as one output has taps. `y` and `x` must not overlap. */
void ounce_grouped_conv_s8(const ounce_conv *conv, const ounce_grouping *grouping, const int8_t *x, int32_t x_zero, const int8_t *w,
                           const int32_t *bias, const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch);

/* Depthwise convolution; in_channels == out_channels. Works on one channel after the other, copied to `scratch` with its padding, so `y` may be `x`
 * where there are no more output places than input places. */
void ounce_depthwise_s8(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const int8_t *w, const int32_t *bias,
                        const ounce_requantize *requantize, int8_t *y, uint8_t *unclamped, void *scratch);

/* y = requantize of real values a + b with y_scale: r = (a - a_zero) * a_scale + (b - b_zero) * b_scale; q = round(r / y_scale) + y_zero;
 * clamped to -128..127, with OUNCE_NEAREST; with OUNCE_AWAY, which is what TinyEngine computes, q = round(r / y_scale + y_zero). `y` may be `a` or `b`. */
typedef struct {
    ounce_rounding rounding;
    float a_scale;
    float b_scale;
    float y_scale;
    int32_t a_zero;
    int32_t b_zero;
    int32_t y_zero;
} ounce_addition;
void ounce_add_s8(size_t count, const int8_t *a, const int8_t *b, const ounce_addition *addition, int8_t *y, uint8_t *unclamped);

/* The addition of TFLite: operands shifted left by 20 bits, scaled by fixed-point multipliers, added, scaled. `y` may be `a` or `b`. `unclamped` (may be NULL) gets a
 * bit per element: 1 where low <= q <= high before clamping. */
typedef struct {
    int32_t a_zero;
    int32_t a_multiplier;
    int32_t a_shift;
    int32_t b_zero;
    int32_t b_multiplier;
    int32_t b_shift;
    int32_t y_zero;
    int32_t y_multiplier;
    int32_t y_shift;
    int32_t low;
    int32_t high;
} ounce_fixed_addition;
void ounce_add_fixed_s8(size_t count, const int8_t *a, const int8_t *b, const ounce_fixed_addition *addition, int8_t *y,
                        uint8_t *unclamped);

/* Mean over the elements of the window that lie within the image, in the same scale. OUNCE_NEAREST: round_half_to_even((float)sum / (float)count);
 * OUNCE_TRUNCATE: sum / count towards zero; OUNCE_FIXED_POINT: half away from zero, as TFLite. Every window must touch the image. */
void ounce_average_pool_s8(const ounce_conv *window, ounce_rounding rounding, const int8_t *x, int8_t *y);

/* y[i] = (float)(x[i] - zero) * scale. */
void ounce_dequantize_s8(size_t count, const int8_t *x, int32_t zero, float scale, float *y);

/* y[i] = round_half_to_even(x[i] / scale) + zero, clamped to -128..127. */
void ounce_quantize_s8(size_t count, const float *x, float scale, int32_t zero, int8_t *y);

/* y[i] = table[x[i] + 128]: any function of a byte. `y` may be `x`. */
void ounce_lookup_s8(size_t count, const int8_t *x, const int8_t *table, int8_t *y);

/* y[i] = x[i], clamped to low..high. `y` may be `x`. */
void ounce_clip_s8(size_t count, int32_t low, int32_t high, const int8_t *x, int8_t *y);

/* Copies `count` blocks of `bytes`, which begin `x_step` bytes apart, to where they begin `y_step` bytes apart: cuts channels out of an image, joins
 * images. `y` may be `x` where `y_step` is at most `x_step`. */
void ounce_copy_blocks(int32_t count, size_t bytes, const void *x, size_t x_step, void *y, size_t y_step);

/* The image of elements of `bytes` amid bytes of `value`, in_height x in_width at row pad_top and column pad_left of out_height x out_width; other members of
 * `window` are not read. */
void ounce_pad(const ounce_conv *window, size_t bytes, int32_t value, const void *x, void *y);

/* y[c][r] = x[r][c], elements of `bytes`: from channels last to channels first and back. */
void ounce_transpose(int32_t rows, int32_t columns, size_t bytes, const void *x, void *y);

/* The mean of TFLite over `count` bytes that lie `distance` apart, of `outputs` such rows that begin `step` apart: sums of x - x_zero, scaled by a fixed-point
 * multiplier that divides by the count, plus y_zero, clamped to -128..127. */
typedef struct {
    int32_t x_zero;
    int32_t y_zero;
    int32_t multiplier;
    int32_t shift;
} ounce_fixed_mean;
void ounce_mean_fixed_s8(int32_t outputs, size_t step, int32_t count, size_t distance, const ounce_fixed_mean *mean, const int8_t *x,
                         int8_t *y);

/* Largest element of the window within the image. Every window must touch the image. */
void ounce_max_pool_s8(const ounce_conv *window, const int8_t *x, int8_t *y);

/* Fully connected with wide results: y[o] = sum_i (x[i] - x_zero) * w[o][i] + bias[o]. For int8 results take ounce_pointwise_s8 with one pixel. */
void ounce_dense_s8_s32(int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, int32_t *y);

/* The same in floats: y[o] = (float)sum * scale[o]. Logits of a head that trains. */
void ounce_dense_s8_f32(int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, const float *scale, float *y);

/* ---- Loss ---- */

/* e^x and ln x (x > 0, not subnormal) within 2 units in the last place, by the operations written in softmax.c and nothing of the C library. */
float ounce_exp(float x);
float ounce_log(float x);

/* y[i] = (float)q[i] * scale: integer logits to floats. */
void ounce_dequantize_s32(int32_t count, const int32_t *q, float scale, float *y);

/* p = exp(x - max) / sum, sum over i ascending. `p` may be `x`. */
void ounce_softmax(int32_t count, const float *x, float *p);

/* y = (x - max) - ln(sum of exp(x - max)). `y` may be `x`. */
void ounce_log_softmax(int32_t count, const float *x, float *y);

/* Cross entropy of `label` by logits: g = softmax(x) - one_hot(label). Returns the loss, -log_softmax(x)[label]. `g` may be `x`. */
float ounce_cross_entropy(int32_t count, const float *x, int32_t label, float *g);

/* ---- Gradients: of floats, HWC ---- */

/* g[p][c] = unclamped bit ? g[p][c] * scale[c] : +0. With `unclamped` NULL all pass; with `scale` NULL nothing is multiplied. In place. */
void ounce_gradient_mask_scale(int32_t pixels, int32_t channels, const uint8_t *unclamped, const float *scale, float *g);

/* gx[i] = g[i] * factor. `gx` may be `g`. Gradient of an addition (a_scale / y_scale) and the like. */
void ounce_gradient_scale(size_t count, const float *g, float factor, float *gx);

/* gx[i] += g[i]: joins the gradients of two uses. */
void ounce_gradient_add(size_t count, const float *g, float *gx);

/* Gradient of the mean over a whole image: gx[p][c] = g[c] * factor, factor = 1 / pixels. */
void ounce_mean_gradient(int32_t pixels, int32_t channels, const float *g, float factor, float *gx);

/* Gradient of the mean over windows: gx[iy][ix][c] = sum over oy, ox ascending, of windows that cover the place, of g[oy][ox][c] / (float)count, count being the elements
 * of the window within the image. `gx` and `g` must not overlap. */
void ounce_average_pool_gradient(const ounce_conv *window, const float *g, float *gx);

/* Gradient of the largest element: gx[iy][ix][c] = sum over oy, ox ascending of g[oy][ox][c], of windows whose largest element of x, the first in the order of memory
 * of equal ones, is this one. `gx` and `g` must not overlap. */
void ounce_max_pool_gradient(const ounce_conv *window, const int8_t *x, const float *g, float *gx);

/* gx[p][i] = sum over o ascending of g[p][o] * (float)w[o][i]. `gx` and `g` must not overlap. */
void ounce_pointwise_input_gradient(int32_t pixels, int32_t in_channels, int32_t out_channels, const float *g, const int8_t *w,
                                    float *gx);

/* gx[iy][ix][i] = sum over ky, kx, o ascending, of taps within the output, of g[oy][ox][o] * (float)w[o][ky][kx][i]. */
void ounce_conv_input_gradient(const ounce_conv *conv, const float *g, const int8_t *w, float *gx);

/* gx[iy][ix][c] = sum over ky, kx ascending, of taps within the output, of g[oy][ox][c] * (float)w[c][ky][kx]. Works on one channel after
 * the other, copied to `scratch`, so `gx` may be `g` if the stride is 1 and the extents are the same. */
void ounce_depthwise_input_gradient(const ounce_conv *conv, const float *g, const int8_t *w, float *gx, void *scratch);

/* Which input channels (of a depthwise convolution: which channels) have weights that are trained: those in `index`, or the first `count` with
 * `index` NULL. Gradients of weights hold these channels only. */
typedef struct {
    int32_t count;
    const uint16_t *index;
} ounce_selection;

/* y[p][k] = x[p][i_k], elements of `bytes`: what a backward pass needs of an image. Indices ascend. `y` may be `x`. */
void ounce_select_channels(int32_t pixels, int32_t channels, size_t bytes, const ounce_selection *selection, const void *x, void *y);

/* gb[c] = sum over p ascending of g[p][c]. */
void ounce_bias_gradient(int32_t pixels, int32_t channels, const float *g, float *gb);

/* gw[o][k] = sum over p ascending of (float)(x[p][i_k] - x_zero) * g[p][o]; o from `first` to `first + rows - 1`, gw [rows][count]. */
void ounce_pointwise_weight_gradient(int32_t pixels, int32_t in_channels, int32_t out_channels, const int8_t *x, int32_t x_zero,
                                     const float *g, const ounce_selection *selection, int32_t first, int32_t rows, float *gw);

/* gw[o][ky][kx][k] = sum over oy, ox ascending, of taps within the image, of (float)(x[iy][ix][i_k] - x_zero) * g[oy][ox][o]; rows as above. */
void ounce_conv_weight_gradient(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const float *g,
                                const ounce_selection *selection, int32_t first, int32_t rows, float *gw);

/* gw[k][ky][kx] = sum over oy, ox ascending, of taps within the image, of (float)(x[iy][ix][c_k] - x_zero) * g[oy][ox][c_k]; the channels
 * number `first` to `first + rows - 1` of the selection. */
void ounce_depthwise_weight_gradient(const ounce_conv *conv, const int8_t *x, int32_t x_zero, const float *g,
                                     const ounce_selection *selection, int32_t first, int32_t rows, float *gw);

/* ---- Updates in place ---- */

typedef enum {
    /* towards zero, the low byte kept: w = (int8_t)(int32_t)((float)w - d). What TinyEngine's kernels do; wraps. */
    OUNCE_UPDATE_TRUNCATE = 0,
    /* w = clamp(round_half_to_even((float)w - d)) */
    OUNCE_UPDATE_NEAREST = 1,
    /* w = clamp(floor(((float)w - d) + u)), u in [0, 1) by Philox */
    OUNCE_UPDATE_STOCHASTIC = 2,
    /* t = 256 * w + residual - round_half_to_even(256 * d); w = clamp((t + 128) >> 8); residual = clamp(t - 256 * w) to -128..127.
     * The residual is a signed byte per weight, in units of 1/256. */
    OUNCE_UPDATE_ERROR_FEEDBACK = 3
} ounce_update_mode;

/* A step d = (gradient * qas[o]) * rate of plain descent. d is kept within +-2^22. */
typedef struct {
    ounce_update_mode mode;
    float rate;
    uint32_t seed;   /* of OUNCE_UPDATE_STOCHASTIC: key of the generator */
    uint32_t step;   /* of OUNCE_UPDATE_STOCHASTIC: number of the training step */
} ounce_update;

/* Philox 2x32-10 (Salmon et al., 2011). counter in and result out. */
void ounce_philox(uint32_t counter[2], uint32_t key);

/* u of weight number `element` of the tensor: word (element & 1) of Philox with counter {element >> 1, step} and key seed; its upper 24 bits / 2^24. Give
 * every tensor its own seed. */
float ounce_uniform(uint32_t seed, uint32_t step, uint32_t element);

/* qas[c] = 1 / ((scale[c] * factor) * (scale[c] * factor)): quantization-aware scaling from the scales that sums are requantized by, to spare a table. */
void ounce_scaling(int32_t channels, const float *scale, float factor, float *qas);

/* Updates rows `first` to `first + rows - 1` of w [outputs][taps][in_channels] by gw [rows][taps][selection.count]. qas[o] = 1 / s_w[o]^2 for
 * quantization-aware scaling. `residual` is NULL or [outputs][taps][selection.count]; elements are numbered likewise. For the first channels of a depthwise
 * convolution, taps = kernel_height * kernel_width, in_channels = 1, selection {1, NULL}. */
void ounce_update_weights(const ounce_update *update, int32_t taps, int32_t in_channels, const ounce_selection *selection,
                          int32_t first, int32_t rows, const float *gw, const float *qas, int8_t *w, int8_t *residual);

/* Updates channels number `first` to `first + rows - 1` of the selection, of a depthwise w [channels][taps], by gw [rows][taps]; qas[k] and `residual` [selection.count][taps] are
 * those of channel number k of the selection. */
void ounce_update_channels(const ounce_update *update, int32_t taps, const ounce_selection *selection, int32_t first, int32_t rows,
                           const float *gw, const float *qas, int8_t *w, int8_t *residual);

/* Updates int32 biases: d = (gb[c] * qas[c]) * rate, qas[c] = 1 / (s_w[c] * s_x)^2; b is kept within int32. OUNCE_UPDATE_TRUNCATE: b - towards_zero(d);
 * OUNCE_UPDATE_NEAREST: b - round_half_to_even(d); OUNCE_UPDATE_STOCHASTIC: b - floor(d + u); OUNCE_UPDATE_ERROR_FEEDBACK: t =
 * residual - round_half_to_even(256 * d), n = (t + 128) >> 8, b + n, residual = t - 256 * n. */
void ounce_update_bias(const ounce_update *update, int32_t channels, const float *gb, const float *qas, int32_t *bias,
                       int8_t *residual);

#ifdef __cplusplus
}
#endif

#endif
