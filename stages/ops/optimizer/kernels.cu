// Optimizers: update a parameter and the moments of its gradient in place.

#define THREADS 256

// Returns the gradient plus the gradient of the penalty l1 |w| + l2 w^2. The derivative of |w| at 0 counts as 0.
__device__ __forceinline__ float penalized(float gradient, float w, float l1, float l2) {
    float sign = w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f;
    return gradient + l1 * sign + 2.0f * l2 * w;
}

KERNEL adam(float *parameter, const float *gradient, float *first, float *second, int count, float rate, float beta1,
            float beta2, float epsilon, float root_correction, float remainder, float l1, float l2) {
    for (EACH(index, count)) {
        float w = parameter[index];
        float g = penalized(gradient[index], w, l1, l2);
        float m = beta1 * first[index] + (1.0f - beta1) * g;
        float v = beta2 * second[index] + (1.0f - beta2) * g * g;
        first[index] = m;
        second[index] = v;
        parameter[index] = remainder * w - rate * m / (sqrtf(v) / root_correction + epsilon);
    }
}

KERNEL rms_prop(float *parameter, const float *gradient, float *square, float *velocity, int count, float rate,
                float decay, float momentum, float epsilon, float l1, float l2) {
    for (EACH(index, count)) {
        float w = parameter[index];
        float g = penalized(gradient[index], w, l1, l2);
        float s = decay * square[index] + (1.0f - decay) * g * g;
        float v = momentum * velocity[index] + g / (sqrtf(s) + epsilon);
        square[index] = s;
        velocity[index] = v;
        parameter[index] = w - rate * v;
    }
}

KERNEL sgd(float *parameter, const float *gradient, float *velocity, int count, float rate, float momentum, float l1,
           float l2) {
    for (EACH(index, count)) {
        float w = parameter[index];
        float v = momentum * velocity[index] + penalized(gradient[index], w, l1, l2);
        velocity[index] = v;
        parameter[index] = w - rate * v;
    }
}

// Writes the sum of the squares that each block is responsible for.
KERNEL squares(const float *gradient, double *partial, int count) {
    __shared__ double shared[THREADS];
    double sum = 0.0;
    for (EACH(index, count)) {
        double g = gradient[index];
        sum += g * g;
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}

// Launched with one block. Writes min(1, most / (norm + 1e-6)); NaN stays NaN.
KERNEL clip_factor(const double *partial, float *factor, int blocks, float most) {
    __shared__ double shared[THREADS];
    double sum = 0.0;
    for (int block = threadIdx.x; block < blocks; block += THREADS) {
        sum += partial[block];
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        double share = most / (sqrt(sum) + 1e-6);
        *factor = share >= 1.0 ? 1.0f : (float)share;
    }
}

KERNEL multiply(float *gradient, const float *factor, int count) {
    for (EACH(index, count)) {
        gradient[index] *= *factor;
    }
}

KERNEL average(const float *value, float *average, int count, float decay) {
    for (EACH(index, count)) {
        average[index] = decay * average[index] + (1.0f - decay) * value[index];
    }
}
