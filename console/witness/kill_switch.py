"""What a module says about its kill-switch, read from its source and never run.

Pure: text in, names and literals out. What Python would make of the text at run time is the harness's claim.
"""

from __future__ import annotations

import ast


def assigned_values(source: str, name: str) -> tuple[str, ...]:
    """Return the source of every value that is assigned to `name`, anywhere in the text, in order.

    `global`, `setattr`, an import or a deletion of the name, and any other way to bind it, count as a value that is
    no literal.
    """
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Assign) and any(_is(target, name) for target in node.targets):
            found.append((line, ast.unparse(node.value)))
        elif isinstance(node, ast.AnnAssign) and _is(node.target, name):
            found.append((line, ast.unparse(node.value) if node.value else "nothing"))
        elif _binds_otherwise(node, name):
            found.append((line, f"something else ({type(node).__name__} in line {line})"))
    return tuple(value for _line, value in sorted(found))


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _binds_otherwise(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Global):
        return name in node.names
    if isinstance(node, ast.alias):
        return (node.asname or node.name) in (name, "*")
    if isinstance(node, ast.Constant):
        return node.value == name
    if isinstance(node, ast.Attribute):
        return node.attr == name and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.AugAssign | ast.NamedExpr):
        return _is(node.target, name)
    if isinstance(node, ast.For | ast.Tuple | ast.Delete):
        held = (
            getattr(node, "elts", None) or getattr(node, "targets", None) or [getattr(node, "target", None)]
        )
        stores = not isinstance(node, ast.Tuple) or isinstance(node.ctx, ast.Store)
        return stores and any(isinstance(one, ast.Name) and one.id == name for one in held)
    return False


def first_calls(source: str, class_name: str, methods: tuple[str, ...]) -> dict[str, str]:
    """Return by method the name of what its first statement calls, "" where that is no plain call on self.

    The docstring is no statement. A method that the class defines twice, or that has a decorator, has no first call.
    """
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name in methods:
                    plain = part.name not in found and not part.decorator_list
                    found[part.name] = _first_call(part) if plain else ""
    return found


def _first_call(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    first = body[0] if body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Call):
        return ""
    called = first.value.func
    on_self = (
        isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self"
    )
    return called.attr if on_self and isinstance(called, ast.Attribute) else ""
