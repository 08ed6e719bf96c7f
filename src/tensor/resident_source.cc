#include "tensor/resident_source.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "device/kernel_sources.h"
#include "util/error.h"

namespace inference {

namespace {

std::string_view FileText(const std::string& name) {
  const std::string_view text = KernelSource(name);
  Require(!text.empty(), Status::kInternal, "no kernel source {}.cl", name);
  return text;
}

bool IsNamePart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The identifier that ends at `end`.
std::string NameBefore(std::string_view line, size_t end) {
  size_t begin = end;
  while (begin > 0 && IsNamePart(line[begin - 1])) --begin;
  return std::string(line.substr(begin, end - begin));
}

std::string_view TrimLeft(std::string_view text) {
  const size_t at = text.find_first_not_of(" \t\n");
  return at == std::string_view::npos ? std::string_view{} : text.substr(at);
}

// What one set of files and defines brings into the source.
struct Section {
  std::vector<std::string> files;
  std::string defines;
  std::vector<std::string> names;   // that get a suffix
  std::vector<std::string> macros;  // that end with the section
  std::string text;
};

constexpr std::string_view kKernel = "KERNEL void ";

// Notes what a line at the outermost level declares (clang-format leaves it at the line's start).
void NoteNames(std::string_view line, Section* section) {
  const std::string_view trimmed = TrimLeft(line);
  if (trimmed.starts_with("#define ")) {
    const std::string_view rest = trimmed.substr(8);
    const auto* end = std::ranges::find_if_not(rest, IsNamePart);
    section->macros.emplace_back(rest.begin(), end);
  } else if (line.starts_with("INLINE ") || line.starts_with("NOINLINE ") ||
             line.starts_with(kKernel)) {
    section->names.push_back(NameBefore(line, line.find('(')));
  } else if (line.starts_with("__constant ")) {
    section->names.push_back(NameBefore(line, line.find('[')));
  } else if (line.starts_with("} ") && line.ends_with(";")) {
    section->names.push_back(NameBefore(line, line.size() - 1));
  }
}

void AppendFile(const std::string& name, Section* section) {
  std::string_view text = FileText(name);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    NoteNames(line, section);
    if (line.starts_with(kKernel)) {
      const size_t open = line.find('(') + 1;
      section->text += "static __attribute__((noinline)) void ";
      section->text += line.substr(kKernel.size(), open - kKernel.size());
      section->text += "const int PART, const int PARTS, ";
      section->text += line.substr(open);
    } else {
      section->text += line;
    }
    section->text += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// "-D A -D B=1" as #define lines.
std::string DefineLines(std::string_view defines, Section* section) {
  std::string out;
  for (size_t at = defines.find("-D "); at != std::string_view::npos;) {
    const size_t next = defines.find("-D ", at + 3);
    std::string define(TrimLeft(defines.substr(at + 3, next - at - 3)));
    while (define.ends_with(' ')) define.pop_back();
    const size_t equals = define.find('=');
    section->macros.push_back(define.substr(0, equals));
    if (equals != std::string::npos) define[equals] = ' ';
    out += fmt::format("#define {}{}\n", define, equals == std::string::npos ? " 1" : "");
    at = next;
  }
  return out;
}

std::string SectionSource(Section* section, size_t number) {
  const std::string defines = DefineLines(section->defines, section);
  for (const std::string& file : section->files) AppendFile(file, section);
  std::string out = defines;
  for (const std::string& name : section->names) {
    out += fmt::format("#define {} {}_{}\n", name, name, number);
  }
  out += section->text;
  for (const auto& group : {section->names, section->macros}) {
    for (const std::string& name : group) out += fmt::format("#undef {}\n", name);
  }
  return out;
}

// The call of a kernel with the words of a phase as its arguments.
std::string Call(const PhaseKernel& kernel, const std::string& text, size_t section) {
  const std::string head = fmt::format("void {}(", kernel.kernel);
  const size_t at = text.find(head);
  Require(at != std::string::npos, Status::kInternal, "no kernel {} in its files", kernel.kernel);
  const size_t begin = at + head.size(), end = text.find(')', begin);
  std::string out = fmt::format("{}_{}(part, parts", kernel.kernel, section);
  std::string_view rest = std::string_view(text).substr(begin, end - begin);
  for (int word = -2; !rest.empty(); ++word) {  // PART and PARTS come first
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view parameter = TrimLeft(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (word < 0) continue;
    Require(word + 2 < kPhaseWords, Status::kInternal, "kernel {}: more than {} arguments",
            kernel.kernel, kPhaseWords - 2);
    if (const size_t star = parameter.rfind('*'); star != std::string_view::npos) {
      out += fmt::format(", ({})a[{}]", parameter.substr(0, star + 1), word);
    } else if (parameter.starts_with("const float ")) {
      out += fmt::format(", as_float((uint)a[{}])", word);
    } else {
      out += fmt::format(", (int)a[{}]", word);
    }
  }
  return out + ");";
}

}  // namespace

std::string ResidentSource(std::span<const PhaseKernel> kernels) {
  std::string out(FileText("common"));
  out += "#undef PART\n#undef PARTS\n";
  std::vector<Section> sections;
  std::string cases;
  for (size_t i = 0; i < kernels.size(); ++i) {
    const PhaseKernel& kernel = kernels[i];
    auto found = std::ranges::find_if(sections, [&](const Section& section) {
      return section.files == kernel.files && section.defines == kernel.defines;
    });
    if (found == sections.end()) {
      sections.push_back({kernel.files, kernel.defines, {}, {}, {}});
      found = sections.end() - 1;
      out += SectionSource(&*found, sections.size() - 1);
    }
    const auto number = static_cast<size_t>(found - sections.begin());
    cases += fmt::format("    case {}: {} return;\n", i, Call(kernel, found->text, number));
  }
  out += fmt::format(
      "static void run_part(const int kernel_index, const int part, const int parts,\n"
      "                     __global const ulong* a) {{\n  switch (kernel_index) {{\n{}  }}\n}}\n"
      "#define PHASE_WORDS {}\n",
      cases, kPhaseWords);
  out += FileText("spin_pause");
  out += FileText("resident");
  return out;
}

}  // namespace inference
