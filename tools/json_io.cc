#include "json_io.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>

#include "api.h"
#include "terminal.h"

namespace inference::tools {
namespace {

constexpr int kMaxDepth = 512;  // dump() recurses

}  // namespace

Json ParseJson(std::string_view text, std::string_view what) {
  const auto check_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) {
      throw ApiError(INF_E_LIMIT,
                     fmt::format("{}: JSON is nested deeper than {} levels", what, kMaxDepth));
    }
    return true;
  };
  try {
    return Json::parse(text, check_depth);
  } catch (const Json::exception& error) {
    throw ApiError(INF_E_FORMAT, fmt::format("{}: not valid JSON: {}", what, error.what()));
  }
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void OutLine(const Json& json) {
  Out(Dump(json) + '\n');
  FlushOut();
}

std::string ReadFile(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) {
    throw ApiError(errno == ENOENT ? INF_E_NOT_FOUND : INF_E_IO,
                   fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
  }
  std::string text;
  char block[1 << 14];
  while (const size_t n = std::fread(block, 1, sizeof(block), file.get())) text.append(block, n);
  if (std::ferror(file.get()) != 0) {
    throw ApiError(INF_E_IO, fmt::format("{}: cannot read: {}", path, std::strerror(errno)));
  }
  return text;
}

std::vector<std::string> ReadTexts() {
  std::ios::sync_with_stdio(false);
  std::vector<std::string> texts;
  std::string line;
  for (size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    const Json value = ParseJson(line, fmt::format("line {}", number));
    if (!value.is_string()) {
      throw ApiError(INF_E_ARG, fmt::format("line {}: a JSON string is wanted, this is {}", number,
                                            value.type_name()));
    }
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

void ForEachJsonLine(const std::function<Json(const Json&)>& handle, BlankLines blank) {
  std::ios::sync_with_stdio(false);
  std::string line;
  for (size_t number = 1; std::getline(std::cin, line); ++number) {
    if (blank == BlankLines::kSkip && line.find_first_not_of(" \t\r") == line.npos) continue;
    Json result;
    try {
      result = handle(ParseJson(line, fmt::format("line {}", number)));
    } catch (const ApiError& error) {
      result = Json{{"error", error.what()}};
    }
    OutLine(result);
  }
}

}  // namespace inference::tools
