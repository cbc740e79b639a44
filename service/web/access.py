"""How a route reaches the node, whoever asks, and what a form says."""

from collections.abc import Mapping
from typing import Annotated, Final, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from service.operations import Actor
from service.retraction import NoteMaker
from service.web.guard import Rejected
from service.web.upload import body_of
from service.web.visitor import Visitor
from service.wiring import Node

#: A form of ours holds a reason and some names.
_LARGEST_FORM: Final = 16 * 1024
_MOST_FIELDS: Final = 20
_FORM: Final = "application/x-www-form-urlencoded"


def _node(request: Request) -> Node:
    return cast("Node", request.app.state.node)


def _notes(request: Request) -> NoteMaker:
    return cast("NoteMaker", request.app.state.make_note)


def _visitor(request: Request) -> Visitor:
    return cast("Visitor", request.state.visitor)


def _operator(request: Request) -> Actor:
    visitor = _visitor(request)
    if visitor.is_here:
        words = "nobody can act yet: `spondyl user add NAME --role operator` makes an account, then sign in"
        raise Rejected(words, status=403)
    if not visitor.may_act:
        raise Rejected(f"{visitor.name} may look and not act: the role operator is needed", status=403)
    return Actor(name=visitor.name, address=visitor.address)


def _reader(request: Request) -> Actor:
    visitor = _visitor(request)
    if not visitor.sees_patients:
        raise Rejected("what shows a patient is an operator's to see: sign in with that role", status=403)
    return Actor(name=visitor.name, address=visitor.address)


async def _form(request: Request) -> Mapping[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Rejected(f"Content-Type: expected {_FORM}", status=415)
    body = await body_of(request, at_most=_LARGEST_FORM)
    try:
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Rejected("the form cannot be read", status=400) from None
    return {name: value.strip() for name, value in fields}


#: The open node, as a parameter of a route.
TheNode = Annotated[Node, Depends(_node)]
#: What writes rejection notes.
TheNotes = Annotated[NoteMaker, Depends(_notes)]
#: Whoever asks.
TheVisitor = Annotated[Visitor, Depends(_visitor)]
#: Whoever asks, where they may act; 403 else.
TheOperator = Annotated[Actor, Depends(_operator)]
#: Whoever asks, where they may see patients; 403 else. Every look is to be entered in the trail.
TheReader = Annotated[Actor, Depends(_reader)]
#: The fields of a form that was posted, without blanks around them.
TheForm = Annotated[Mapping[str, str], Depends(_form)]
