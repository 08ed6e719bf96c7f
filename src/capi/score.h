// Outputs of scores that calls on one text and on many share.
#pragma once

#include <vector>

#include "engine/score.h"
#include "inference.h"

namespace inference::capi {

std::vector<float> Narrowed(const std::vector<double>& values);

// Each may be null.
void RequireScoreOuts(const inf_score_desc* out, const inf_floats* per_token);
void FillScore(const Score& score, inf_score_desc* out, inf_floats* per_token);
void RequireNextOuts(const inf_tokens* ids, const inf_floats* logprobs, const inf_next_desc* out);
void FillNext(const NextTokens& next, size_t vocab_size, inf_tokens* ids, inf_floats* logprobs,
              inf_next_desc* out);

}  // namespace inference::capi
