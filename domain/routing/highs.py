"""Linear and mixed-integer programs given to HiGHS: imported with the first order that needs it."""

import highspy
import numpy as np

from domain.routing.problem import FloatArray
from domain.routing.programs import Answer, Program


def run(program: Program, *, seconds: float, gap: float = 0.0, start: FloatArray | None = None) -> Answer:
    """Solve the program, from the solution `start` if given, to the relative `gap` or until time is up."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    # The number of threads is left alone: HiGHS refuses to run where it is not what the process began with.
    options: dict[str, bool | int | float | str] = {
        "output_flag": False, "parallel": "off", "time_limit": max(seconds, 0.01),
        "mip_rel_gap": gap, "mip_abs_gap": 0.0, "random_seed": 0,
    }  # fmt: skip
    for option, value in options.items():
        solver.setOptionValue(option, value)
    solver.passModel(_model(program))
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start
        solver.setSolution(solution)
    if solver.run() == highspy.HighsStatus.kError:
        return Answer(None, -np.inf, None)
    status, info = solver.getModelStatus(), solver.getInfo()
    solution = solver.getSolution()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.asarray(solution.col_value) if found else None
    optimal = status == highspy.HighsModelStatus.kOptimal
    if program.whole is not None:
        return Answer(values, float(info.mip_dual_bound), None)
    duals = np.asarray(solution.row_dual) if optimal else None
    return Answer(values, float(info.objective_function_value) if optimal else -np.inf, duals)


def _model(program: Program) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(program.cost), len(program.lower)
    model.col_cost_ = program.cost
    model.col_lower_, model.col_upper_ = np.zeros(len(program.cost)), program.most
    model.row_lower_, model.row_upper_ = program.lower, program.upper
    by_column = np.argsort(program.columns, kind="stable")
    starts = np.searchsorted(program.columns[by_column], np.arange(len(program.cost) + 1))
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.start_ = starts.astype(np.int32)
    matrix.index_ = program.rows[by_column].astype(np.int32)
    matrix.value_ = program.values[by_column]
    if program.whole is not None:
        kinds = {True: highspy.HighsVarType.kInteger, False: highspy.HighsVarType.kContinuous}
        model.integrality_ = [kinds[bool(one)] for one in program.whole]
    return model
