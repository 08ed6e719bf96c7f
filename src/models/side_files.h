// What belongs to a model folder beside config and weights.
#pragma once

#include <string>

#include "util/file.h"

namespace inference {

// Copies tokenizer, chat templates and generation_config.json, those that are there, to the folder
// `out`. PATH, IO, LIMIT.
void CopySideFiles(const Folder& from, const std::string& out);

}  // namespace inference
