"""Mutants of a module: cosmic-ray's operators, less those that would flatter the score.

Of the eleven other operators that cosmic-ray puts in the place of ``+``, most end every test with a
TypeError. Here each operator is replaced by its opposite, each comparison by its neighbour and its
negation. Left out are annotations, which are never executed, and the arguments of decorators
(``frozen=True``), which are declarations for mypy.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.operators.operator import Operator
from parso.tree import NodeOrLeaf

_BINARY = (
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul"),
    *("LShift_RShift", "RShift_LShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd"),
)
_COMPARISONS = (
    *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
    *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
)
_OTHERS = (
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr"),
    *("ReplaceOrWithAnd", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ExceptionReplacer", "NumberReplacer", "RemoveDecorator", "ZeroIterationForLoop"),
    *(f"ReplaceUnaryOperator_Delete_{each}" for each in ("USub", "Not", "Invert")),
)
OPERATORS = (
    *(f"ReplaceBinaryOperator_{each}" for each in _BINARY),
    *(f"ReplaceComparisonOperator_{each}" for each in _COMPARISONS),
    *_OTHERS,
)
_DECLARATIONS = ("final", "dataclass", "runtime_checkable")  # decorators that do nothing tests see


Span: TypeAlias = tuple[tuple[int, int], tuple[int, int]]  # lines and columns of two ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one module.

    Attributes:
        module: its path from the root of the repository.
        function: the function or class that it is in; ``None`` at the top.
        lines: first and last line of the statement.
        in_function: the code of a function differs, nothing else.
        before, after: the changed lines, without indentation.
        source: the module with the change in it.
    """

    module: str
    function: str | None
    lines: tuple[int, int]
    in_function: bool
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """What it is called where equivalent mutants are listed; survives moving lines."""
        return f"{self.before} -> {self.after}"


def mutants(root: Path, module: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    source = (root / module).read_text()
    statements, declarations, bodies = _statements(source), _declarations(source), _bodies(source)
    found = [
        _mutant(module, source, place, statements, bodies)
        for place in _places(source)
        if not any(first <= place.at < last for first, last in declarations)
    ]
    return sorted((each for each in found if each is not None), key=lambda each: each.lines)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an operator can be applied: the node of that number, in the index-th way."""

    operator: str
    node: int
    index: int
    at: tuple[int, int]
    function: str | None


def _operator(name: str) -> Operator:
    operator: Operator = cosmic_ray.plugins.get_operator(f"core/{name}")()
    return operator


def _places(source: str) -> Iterator[_Place]:
    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS:
        operator = _operator(name)
        for number, node in enumerate(nodes):
            for index, (start, _) in enumerate(operator.mutation_positions(node)):
                if _is_worthwhile(name, node):
                    function = ASTQuery(node).get_definition_name()
                    yield _Place(name, number, index, start, function)


def _is_worthwhile(operator: str, node: NodeOrLeaf) -> bool:
    if operator == "AddNot":
        condition = node.children[2 if node.type == "test" else 1]
        return condition.type not in {"comparison", "not_test"}  # the same as another comparison
    if node.parent is None or node.parent.type == "parameters":  # whose * and / are no operators
        return False
    return node.parent.get_code().strip() != "strict=True"  # an assertion


def _changed(source: str, place: _Place) -> str:
    tree = get_ast(source)
    node = next(itertools.islice(ast_nodes(tree), place.node, None))
    siblings, changed = node.parent.children, _operator(place.operator).mutate(node, place.index)
    number = next(i for i, each in enumerate(siblings) if each is node)
    siblings[number : number + 1] = [] if changed is None else [changed]
    return str(tree.get_code())


def _mutant(
    module: str,
    source: str,
    place: _Place,
    statements: list[tuple[int, int]],
    bodies: list[Span],
) -> Mutant | None:
    try:
        changed = _changed(source, place)
        ast.parse(changed)
    except (AttributeError, SyntaxError):  # cosmic-ray cannot replace ``except a.B``
        return None
    before, after = _difference(source, changed)
    around = [each for each in statements if each[0] <= place.at[0] <= each[1]]
    lines = min(around, key=lambda each: each[1] - each[0], default=(place.at[0],) * 2)
    return Mutant(
        module=module,
        function=place.function,
        lines=lines,
        in_function=any(first <= place.at < last for first, last in bodies),
        before=before,
        after=after,
        source=changed,
    )


def _difference(source: str, changed: str) -> tuple[str, str]:
    before, after = source.splitlines(), changed.splitlines()
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    return _words(before), _words(after) or "(removed)"


def _words(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _statements(source: str) -> list[tuple[int, int]]:
    """First and last line of each statement, of compound ones only of the head."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.stmt, ast.excepthandler)):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            found.append((node.lineno, max(node.lineno, last or node.lineno)))
    return found


def _bodies(source: str) -> list[Span]:
    """Where the bodies of functions stand, of the outermost."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [each for each in ast.walk(ast.parse(source)) if isinstance(each, functions)]
    return [_span(each.body[0], each.body[-1]) for each in found]


def _span(first: ast.AST, last: ast.AST) -> Span:
    return (first.lineno, first.col_offset), (last.end_lineno, last.end_col_offset)


def _declarations(source: str) -> list[Span]:
    """Where annotations and declaring decorators stand."""
    declaring: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation:
            declaring.append(node.annotation)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            declaring += [node.returns] if node.returns else []
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            declaring += [each for each in node.decorator_list if _declares(each)]
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            declaring.append(node.test)
    spans = [_span(each, each) for each in declaring]
    return [((line, column - 1), last) for (line, column), last in spans]  # from a decorator's @


def _declares(decorator: ast.AST) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id in _DECLARATIONS
