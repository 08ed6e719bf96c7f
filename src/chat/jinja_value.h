// Values of a template while it renders. A Value is small and trivially copied; text and containers
// live in the Runtime's arena (or in the template, or in the caller's JSON) until rendering ends,
// so no value owns another: cycles are harmless and nothing is destroyed recursively.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace inference::jinja {

class Runtime;
class Value;
struct Args;
struct Stmt;

struct Undefined {
  std::string_view message;  // raised by any use but printing, testing and iterating
};

// What the filters safe and escape give: a string that escapes plain strings added to it. Templates
// are not HTML, but transformers leaves this on.
struct Markup {
  std::string_view text;
};

struct List;
struct Dict;
struct Space;
struct Macro;
struct Loop;
struct Builtin;
struct Method;
struct Cycler;
struct Joiner;

enum class Kind : uint8_t {
  kNone,
  kUndefined,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kDict,
  kSpace,
  kMacro,
  kLoop,
  kBuiltin,
  kMethod,
  kCycler,
  kJoiner,
};

template <typename T>
concept HeldType = std::same_as<T, bool> || std::same_as<T, int64_t> || std::same_as<T, double> ||
    std::same_as<T, std::string_view> || std::same_as<T, Markup> || std::same_as<T, Undefined> ||
    std::same_as<T, List*> || std::same_as<T, Dict*> || std::same_as<T, Space*> ||
    std::same_as<T, Macro*> || std::same_as<T, Loop*> || std::same_as<T, const Builtin*> ||
    std::same_as<T, const Method*> || std::same_as<T, Cycler*> || std::same_as<T, Joiner*>;

class Value {
 public:
  Value() = default;  // none
  // One constructor for each type held, and no conversion on the way: no pointer becomes a bool.
  template <HeldType T>
  Value(T value) : storage_(value) {}  // NOLINT(google-explicit-constructor)

  Kind kind() const { return IsMarkup() ? Kind::kString : static_cast<Kind>(storage_.index()); }
  bool IsMarkup() const { return std::holds_alternative<Markup>(storage_); }
  bool IsNone() const { return kind() == Kind::kNone; }
  bool IsUndefined() const { return kind() == Kind::kUndefined; }
  bool IsString() const { return kind() == Kind::kString; }
  bool IsNumber() const {  // as in Python, a bool is one
    return kind() == Kind::kBool || kind() == Kind::kInt || kind() == Kind::kFloat;
  }

  template <typename T>
  T Get() const {  // the kind has been checked
    return std::get<T>(storage_);
  }
  bool boolean() const { return Get<bool>(); }
  int64_t integer() const { return kind() == Kind::kBool ? (boolean() ? 1 : 0) : Get<int64_t>(); }
  double number() const {
    return kind() == Kind::kFloat ? Get<double>() : static_cast<double>(integer());
  }
  std::string_view text() const {
    return IsMarkup() ? Get<Markup>().text : Get<std::string_view>();
  }
  List* list() const { return Get<List*>(); }
  Dict* dict() const { return Get<Dict*>(); }

 private:
  std::variant<std::monostate, Undefined, bool, int64_t, double, std::string_view, List*, Dict*,
               Space*, Macro*, Loop*, const Builtin*, const Method*, Cycler*, Joiner*, Markup>
      storage_;
};

// Every sequence type of Python that templates meet: they differ in printing and in truth.
enum class Sequence : uint8_t { kList, kTuple, kRange, kGenerator, kKeys, kValues, kItems };

struct List {
  Sequence sequence = Sequence::kList;
  std::vector<Value> items;               // fixed once built
  bool consumed = false;                  // a generator is read once
  bool group = false;                     // a tuple of groupby: (grouper, list)
  int64_t start = 0, stop = 0, step = 1;  // of a range, for printing
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion; fixed once built
};

struct Space {           // namespace()
  bool is_self = false;  // the template's own reference: empty
  std::vector<std::pair<std::string_view, Value>> attributes;
};

struct Cycler {
  std::vector<Value> items;  // not empty
  size_t at = 0;
};

struct Joiner {
  std::string_view separator;
  bool used = false;
};

struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables;

  const Value* Find(std::string_view name) const;  // here or in a parent; null where absent
  void Set(std::string_view name, Value value);    // here
};

struct Macro {
  const Stmt* definition;  // kMacro or kCallBlock
  Scope* scope;            // where it was defined
};

struct Loop {
  const Stmt* statement;  // kFor
  Scope* scope;           // around the loop
  const std::vector<Value>* items;
  size_t index = 0;
  int64_t depth = 0;
  std::vector<Value> changed;  // the arguments of the last loop.changed()
};

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

struct Builtin {
  std::string_view name;
  Value (*call)(Runtime& runtime, const Args& args);
};

struct MethodInfo {
  std::string_view name;
  Value (*call)(Runtime& runtime, const Value& self, const Args& args);
};

struct Method {
  Value self;
  const MethodInfo* info;
};

std::string_view TypeName(const Value& value);  // Python's: "str", "NoneType"
bool IsTrue(const Value& value);
// Length of a string (code points), sequence or mapping; raises where there is none.
int64_t LengthOf(const Value& value);

}  // namespace inference::jinja
