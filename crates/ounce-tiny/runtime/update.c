/* Descent on int8 weights and int32 biases, in place. */
#include "ounce_internal.h"

void ounce_philox(uint32_t counter[2], uint32_t key)
{
    for (int32_t round = 0; round < 10; round++) {
        const uint64_t product = (uint64_t)counter[0] * 0xD256D193U;
        counter[0] = (uint32_t)(product >> 32) ^ key ^ counter[1];
        counter[1] = (uint32_t)product;
        key += 0x9E3779B9U;
    }
}

/* The upper 24 bits as a number in [0, 1). */
static inline float ounce_unit(uint32_t bits)
{
    return (float)(bits >> 8) * 5.9604644775390625e-8f;
}

float ounce_uniform(uint32_t seed, uint32_t step, uint32_t element)
{
    uint32_t counter[2];
    counter[0] = element >> 1;
    counter[1] = step;
    ounce_philox(counter, seed);
    return ounce_unit(counter[element & 1U]);
}

/* Whether weights are updated in this way; known at compile time where there is no or no other way. `mode` is a constant. */
OUNCE_INLINE int ounce_updates(const ounce_update *update, ounce_update_mode mode)
{
    const int present[4] = {OUNCE_WITH_UPDATE_TRUNCATE, OUNCE_WITH_UPDATE_NEAREST, OUNCE_WITH_UPDATE_STOCHASTIC,
                            OUNCE_WITH_UPDATE_ERROR_FEEDBACK};
    return (present[mode] != 0) && (((present[0] + present[1] + present[2] + present[3]) == 1) || (update->mode == mode));
}

/* The numbers of ounce_uniform for ascending elements: every second one is still there from the one before. */
typedef struct {
    const ounce_update *update;
    uint32_t element;
    uint32_t words[2];
} ounce_uniforms;

static ounce_uniforms ounce_uniforms_from(const ounce_update *update, uint32_t element)
{
    ounce_uniforms uniforms = {update, element, {0U, 0U}};
    if (ounce_updates(update, OUNCE_UPDATE_STOCHASTIC) && ((element & 1U) != 0U)) {
        uniforms.words[0] = element >> 1;
        uniforms.words[1] = update->step;
        ounce_philox(uniforms.words, update->seed);
    }
    return uniforms;
}

static inline float ounce_next_uniform(ounce_uniforms *uniforms)
{
    const uint32_t element = uniforms->element;
    if ((element & 1U) == 0U) {
        uniforms->words[0] = element >> 1;
        uniforms->words[1] = uniforms->update->step;
        ounce_philox(uniforms->words, uniforms->update->seed);
    }
    uniforms->element = element + 1U;
    return ounce_unit(uniforms->words[element & 1U]);
}

/* d, kept within what every mode can do. */
static inline float ounce_step(const ounce_update *update, float gradient, float qas)
{
    const float d = (gradient * qas) * update->rate;
    return (d > OUNCE_FAR) ? OUNCE_FAR : ((d < -OUNCE_FAR) ? -OUNCE_FAR : d);
}

/* x / 256 rounded to nearest, halves upwards. */
static inline int32_t ounce_round_256(int32_t x)
{
    const int32_t y = x + 128;
    return (y >= 0) ? (y / 256) : -((255 - y) / 256);
}

static inline int8_t ounce_updated(const ounce_update *update, int8_t w, float d, ounce_uniforms *uniforms, int8_t *residual)
{
    int32_t q = 0;
    if (ounce_updates(update, OUNCE_UPDATE_TRUNCATE)) {
        const uint32_t wrapped = (uint32_t)ounce_round_zero((float)w - d) & 0xffU;
        q = (wrapped < 128U) ? (int32_t)wrapped : ((int32_t)wrapped - 256);
    } else if (ounce_updates(update, OUNCE_UPDATE_NEAREST)) {
        q = ounce_saturate8(ounce_round_even((float)w - d));
    } else if (ounce_updates(update, OUNCE_UPDATE_STOCHASTIC)) {
        q = ounce_saturate8(ounce_round_down(((float)w - d) + ounce_next_uniform(uniforms)));
    } else if (OUNCE_WITH_UPDATE_ERROR_FEEDBACK) {
        /* Steps beyond +-512 saturate whatever the residual. */
        const float near = (d > 512.0f) ? 512.0f : ((d < -512.0f) ? -512.0f : d);
        const int32_t t = 256 * w + *residual - ounce_round_even(256.0f * near);
        q = ounce_saturate8(ounce_round_256(t));
        *residual = (int8_t)ounce_saturate8(t - 256 * q);
    }
    return (int8_t)q;
}

void ounce_scaling(int32_t channels, const float *scale, float factor, float *qas)
{
    for (int32_t c = 0; c < channels; c++) {
        const float step = scale[c] * factor;
        qas[c] = 1.0f / (step * step);
    }
}

void ounce_update_weights(const ounce_update *update, int32_t taps, int32_t in_channels, const ounce_selection *selection,
                          int32_t first, int32_t rows, const float *gw, const float *qas, int8_t *w, int8_t *residual)
{
    const uint32_t element = (uint32_t)first * (uint32_t)taps * (uint32_t)selection->count;
    ounce_uniforms uniforms = ounce_uniforms_from(update, element);
    int8_t *left = (residual != NULL) ? &residual[element] : NULL;
    for (int32_t o = first; o < (first + rows); o++) {
        for (int32_t tap = 0; tap < taps; tap++) {
            int8_t *to = &w[(o * taps + tap) * in_channels];
            for (int32_t k = 0; k < selection->count; k++) {
                const int32_t i = ounce_selected(selection, k);
                to[i] = ounce_updated(update, to[i], ounce_step(update, *gw, qas[o]), &uniforms, left);
                gw = &gw[1];
                if (left != NULL) {
                    left = &left[1];
                }
            }
        }
    }
}

void ounce_update_channels(const ounce_update *update, int32_t taps, const ounce_selection *selection, int32_t first, int32_t rows,
                           const float *gw, const float *qas, int8_t *w, int8_t *residual)
{
    const uint32_t element = (uint32_t)first * (uint32_t)taps;
    ounce_uniforms uniforms = ounce_uniforms_from(update, element);
    int8_t *left = (residual != NULL) ? &residual[element] : NULL;
    for (int32_t k = first; k < (first + rows); k++) {
        int8_t *to = &w[ounce_selected(selection, k) * taps];
        for (int32_t tap = 0; tap < taps; tap++) {
            to[tap] = ounce_updated(update, to[tap], ounce_step(update, *gw, qas[k]), &uniforms, left);
            gw = &gw[1];
            if (left != NULL) {
                left = &left[1];
            }
        }
    }
}

/* a + b kept within int32. */
static inline int32_t ounce_add_saturating(int32_t a, int32_t b)
{
    const int64_t sum = (int64_t)a + b;
    return (sum > INT32_MAX) ? INT32_MAX : ((sum < INT32_MIN) ? INT32_MIN : (int32_t)sum);
}

void ounce_update_bias(const ounce_update *update, int32_t channels, const float *gb, const float *qas, int32_t *bias,
                       int8_t *residual)
{
    ounce_uniforms uniforms = ounce_uniforms_from(update, 0U);
    for (int32_t c = 0; c < channels; c++) {
        const float d = ounce_step(update, gb[c], qas[c]);
        int32_t change = 0;
        if (ounce_updates(update, OUNCE_UPDATE_TRUNCATE)) {
            change = -ounce_round_zero(d);
        } else if (ounce_updates(update, OUNCE_UPDATE_NEAREST)) {
            change = -ounce_round_even(d);
        } else if (ounce_updates(update, OUNCE_UPDATE_STOCHASTIC)) {
            change = -ounce_round_down(d + ounce_next_uniform(&uniforms));
        } else if (OUNCE_WITH_UPDATE_ERROR_FEEDBACK) {
            /* 256 d may be 2^30: rounded here and not by ounce_round_even, exact from 2^22 on. */
            const float scaled = 256.0f * d;
            const int32_t fine = ((scaled >= OUNCE_FAR) || (scaled <= -OUNCE_FAR)) ? (int32_t)scaled : ounce_round_even(scaled);
            const int32_t t = residual[c] - fine;
            change = ounce_round_256(t);
            residual[c] = (int8_t)ounce_saturate8(t - 256 * change);
        }
        bias[c] = ounce_add_saturating(bias[c], change);
    }
}
