// Losses. Each term and the mean are computed in double precision and rounded once.

#define THREADS 256

// Launched with one block. `truth` is the target probability of each example's only logit. `derivatives` gets the
// derivative of each example's loss with respect to its logit.
KERNEL binary(const float *logits, const float *truth, const float *weights, float *mean, float *derivatives,
              int examples) {
    __shared__ double shared[THREADS];
    double sum = 0.0;
    for (int i = threadIdx.x; i < examples; i += THREADS) {
        double z = logits[i], t = truth[i], w = weights[i];
        double loss = (z > 0.0 ? z : 0.0) - z * t + log1p(exp(-fabs(z)));
        double sigmoid = z < 0.0 ? exp(z) / (1.0 + exp(z)) : 1.0 / (1.0 + exp(-z));
        // NaN stays NaN.
        sum += z != z ? z : w * loss;
        derivatives[i] = (float)(w * (sigmoid - t));
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        *mean = (float)(sum / examples);
    }
}

// Like `binary`, with `classes` logits per example; `truth` is the index of the true class.
KERNEL categorical(const float *logits, const float *truth, const float *weights, float *mean, float *derivatives,
                   int examples, int classes) {
    __shared__ double shared[THREADS];
    double sum = 0.0;
    for (int i = threadIdx.x; i < examples; i += THREADS) {
        const float *row = logits + i * classes;
        double largest = row[0], powers = 0.0, w = weights[i];
        for (int j = 1; j < classes; j++) {
            largest = row[j] > largest ? row[j] : largest;
        }
        for (int j = 0; j < classes; j++) {
            powers += exp(row[j] - largest);
        }
        int wanted = (int)truth[i];
        sum += w * (largest + log(powers) - row[wanted]);
        for (int j = 0; j < classes; j++) {
            double share = exp(row[j] - largest) / powers;
            derivatives[i * classes + j] = (float)(w * (share - (j == wanted ? 1.0 : 0.0)));
        }
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        *mean = (float)(sum / examples);
    }
}

// Like `categorical`; `truth` has the target probabilities of all classes of each example.
KERNEL distributed(const float *logits, const float *truth, const float *weights, float *mean, float *derivatives,
                   int examples, int classes) {
    __shared__ double shared[THREADS];
    double sum = 0.0;
    for (int i = threadIdx.x; i < examples; i += THREADS) {
        const float *row = logits + i * classes, *targets = truth + i * classes;
        double largest = row[0], powers = 0.0, total = 0.0, loss = 0.0, w = weights[i];
        for (int j = 1; j < classes; j++) {
            largest = row[j] > largest ? row[j] : largest;
        }
        for (int j = 0; j < classes; j++) {
            powers += exp(row[j] - largest);
            total += targets[j];
        }
        double log_sum = largest + log(powers);
        for (int j = 0; j < classes; j++) {
            loss += (double)targets[j] * (log_sum - row[j]);
            double share = exp(row[j] - largest) / powers;
            derivatives[i * classes + j] = (float)(w * (total * share - targets[j]));
        }
        sum += w * loss;
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        *mean = (float)(sum / examples);
    }
}

// Adds to the gradient of the logits.
KERNEL backward(const float *incoming, const float *derivatives, float *to_logits, int count, int examples) {
    for (EACH(index, count)) {
        to_logits[index] += (float)((double)*incoming / examples * derivatives[index]);
    }
}
