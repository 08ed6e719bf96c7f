// Filters that write other notations: urlencode and xmlattr.
#include <string>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_.-~").find(c) != std::string_view::npos;
}

// In a query a space is '+' and '/' is escaped.
void AddUrl(TextOut& out, std::string_view text, bool query) {
  for (const char c : text) {
    if (IsUnreserved(c) || (c == '/' && !query)) {
      out.Add(c);
    } else if (c == ' ' && query) {
      out.Add('+');
    } else {
      out.Add(fmt::format("%{:02X}", static_cast<unsigned char>(c)));
    }
  }
}

Value UrlEncode(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "urlencode", {});
  TextOut out(runtime);
  if (value.kind() != Kind::kDict && value.kind() != Kind::kList) {
    AddUrl(out, Str(runtime, value), /*query=*/false);
    return runtime.Text(out.Take());
  }
  const auto add_pair = [&](const Value& key, const Value& item) {
    if (out.size() > 0) out.Add('&');
    AddUrl(out, Str(runtime, key), /*query=*/true);
    out.Add('=');
    AddUrl(out, Str(runtime, item), /*query=*/true);
  };
  if (value.kind() == Kind::kDict) {
    for (const auto& [key, item] : value.dict()->entries) add_pair(key, item);
    return runtime.Text(out.Take());
  }
  for (const Value& item : Iterate(runtime, value)) {
    const std::vector<Value>& pair = Iterate(runtime, item);
    if (pair.size() != 2) Raise("urlencode: wanted pairs of key and value");
    add_pair(pair[0], pair[1]);
  }
  return runtime.Text(out.Take());
}

Value XmlAttr(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "xmlattr", {"autospace"});
  if (value.kind() != Kind::kDict) {
    Raise("xmlattr: value is of type '{}', wanted a mapping", TypeName(value));
  }
  TextOut out(runtime);
  for (const auto& [key, item] : value.dict()->entries) {
    if (item.IsNone() || item.IsUndefined()) continue;
    if (!key.IsString()) Raise("xmlattr: key is of type '{}', wanted a string", TypeName(key));
    const std::string_view name = key.text();
    if (name.find_first_of(" \t\n\r\f\v/>=") != name.npos) {
      Raise("Invalid character in attribute name: {}", QuoteLikePython(name));
    }
    if (out.size() > 0 || bound.Flag(0, true)) out.Add(' ');
    out.Add(EscapeHtml(name));
    out.Add("=\"");
    out.Add(item.IsMarkup() ? std::string(item.text()) : EscapeHtml(Str(runtime, item)));
    out.Add('"');
  }
  return runtime.Text(out.Take());
}

constexpr FilterInfo kEncodeFilters[] = {{"urlencode", UrlEncode}, {"xmlattr", XmlAttr}};

}  // namespace

const FilterInfo* FindEncodeFilter(std::string_view name) {
  for (const FilterInfo& filter : kEncodeFilters) {
    if (filter.name == name) return &filter;
  }
  return nullptr;
}

}  // namespace inference::jinja
