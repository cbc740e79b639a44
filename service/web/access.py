"""How a route reaches the node."""

from typing import Annotated, cast

from fastapi import Depends, Request

from service.wiring import Node


def _node(request: Request) -> Node:
    return cast("Node", request.app.state.node)


#: The open node, as a parameter of a route.
TheNode = Annotated[Node, Depends(_node)]
