// JSON in and out of the program: keys keep their order, text stays UTF-8.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace inference::tools {

using Json = nlohmann::ordered_json;

// Throws ApiError (FORMAT, LIMIT), with `what` at the start of its text.
Json ParseJson(std::string_view text, std::string_view what);

// One line, non-ASCII characters raw, bytes that are not UTF-8 as U+FFFD.
std::string Dump(const Json& json);

// Dumps to stdout as a line and flushes.
void OutLine(const Json& json);

// The whole file as text; ApiError (NOT_FOUND, IO).
std::string ReadFile(const std::string& path);

// A JSON string a line of stdin; blank lines are skipped. ApiError (ARG, FORMAT) names the line
// that is none.
std::vector<std::string> ReadTexts();

enum class BlankLines { kSkip, kFail };

// For each line of stdin: prints handle(value), or {"error": text} where the line is not JSON or
// handle throws an ApiError. Blank lines are skipped, or are errors too.
void ForEachJsonLine(const std::function<Json(const Json&)>& handle,
                     BlankLines blank = BlankLines::kSkip);

}  // namespace inference::tools
