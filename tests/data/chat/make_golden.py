"""Writes families.json: what Jinja makes of families/*.jinja, for the conversations of reference.py.

The templates are ours; each uses the constructs of a family of published ones.
"""
import glob
import json
import os

from reference import CONVERSATIONS, EXTRAS, TOOLS, environment, outcome

here = os.path.dirname(os.path.abspath(__file__))
env = environment()
sources = {os.path.basename(path)[:-len(".jinja")]: open(path, newline="", encoding="utf-8").read()
           for path in sorted(glob.glob(os.path.join(here, "families", "*.jinja")))}
results = []
for template, source in sources.items():
    for i, (name, messages) in enumerate(CONVERSATIONS.items()):
        for j, extra in enumerate(EXTRAS):
            case = {"template": template, "conversation": name, "extra": extra,
                    "tools": (i + j) % 2 == 0, "add_generation_prompt": j != 1,
                    "continue_final_message": j == 1 and i % 2 == 0}
            call = {"messages": messages, "tools": TOOLS if case["tools"] else None,
                    "add_generation_prompt": case["add_generation_prompt"],
                    "continue_final_message": case["continue_final_message"],
                    "bos_token": "<s>", "eos_token": "</s>", **EXTRAS[extra]}
            results.append({**case, **outcome(env, source, call)})
with open(os.path.join(here, "families.json"), "w", encoding="utf-8") as f:
    json.dump({"tools": TOOLS, "conversations": CONVERSATIONS, "extras": EXTRAS}, f)
    f.write("\n")
    for result in results:
        f.write(json.dumps(result) + "\n")
raised = sum(r.get("raised", False) for r in results)
print(len(sources), "templates,", len(results), "results,", sum("text" in r for r in results),
      "texts,", raised, "raised")
