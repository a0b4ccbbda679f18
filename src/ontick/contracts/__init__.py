"""Does this task, controller or language model keep its promises? Suites for pytest, to inherit from.

    from ontick.contracts import TaskContract

    class TestMyTask(TaskContract):
        def make_task(self):
            return MyTask()

Every implementation in this package passes them; one of your own should too.
"""

from ontick.contracts.controllers import ControllerContract
from ontick.contracts.models import LanguageModelContract, WritingModelContract
from ontick.contracts.tasks import TaskContract

__all__ = ["ControllerContract", "LanguageModelContract", "TaskContract", "WritingModelContract"]
