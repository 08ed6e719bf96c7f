// What generating one request and many have in common.
#pragma once

#include "capi/objects.h"
#include "engine/generator.h"
#include "inference.h"

namespace inference::capi {

// The request with its prompt as ids. STATE where it has none, CANCELLED while it is made.
GenerateRequest RequestFor(const Model& model, const RequestObject& from);

inf_result Describe(const GenerateResult& from);
inf_event Describe(const GenerateEvent& from);  // its pointers are into `from`

}  // namespace inference::capi
