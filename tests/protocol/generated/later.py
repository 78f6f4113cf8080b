"""What a later server may say, read by the types that are generated from the document of today."""

import json
from typing import Any

import protocol
from pydantic import BaseModel, ValidationError

with open("later.json") as file:
    later: dict[str, Any] = json.load(file)
for name, value in later.items():
    model: type[BaseModel] = getattr(protocol, name)
    read = model.model_validate(value).model_dump(mode="json", exclude_unset=True)
    for member, kept in read.items():
        assert member in value and (kept == value[member] or isinstance(kept, dict)), (name, member)

# What is known today is still told apart.
refused = {"verdict": "refused", "refusal": {"kind": "cursed", "message": "it is cursed"}}
verification = protocol.Verification.model_validate(refused).root
assert isinstance(verification, protocol.VerificationRefused), verification
begin = {"kind": "begin", "title": "Pushing", "cancellable": True, "percentage": 0, "bytes": 0}
work_done = protocol.WorkDone.model_validate(begin).root
assert isinstance(work_done, protocol.WorkDoneBegin), work_done


def check(model: type[BaseModel], value: dict[str, Any], fits: bool) -> None:
    try:
        model.model_validate(value)
    except ValidationError:
        assert not fits, value
    else:
        assert fits, value


check(protocol.VerifyParams, {"path": "/a", "workDoneToken": 1}, True)
check(protocol.VerifyParams, {"reference": "r.io/a:1"}, True)
check(protocol.VerifyParams, {}, False)
check(protocol.VerifyParams, {"path": "/a", "reference": "r.io/a:1"}, False)
check(protocol.VerifyParams, {"path": "/a", "force": True}, False)
check(protocol.SessionLoginParams, {"registry": "r.io", "password": "x"}, False)
check(protocol.SessionLoginParams, {"registry": "r.io", "identityToken": "x"}, True)
check(protocol.WorkDoneReport, {"kind": "report", "percentage": 101, "bytes": 0}, False)
check(protocol.RequestStatus, {"method": "verify", "ageMilliseconds": 0, "bytes": 0}, False)
