"""Waits on an epoll instance, without a timeout, for what never comes."""

import select

select.epoll().poll()
