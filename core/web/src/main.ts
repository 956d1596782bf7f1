// Where the page begins: the stream first, so that data is on its way while the view loads.

import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { stream } from './stream/live.svelte';

stream.start();
const target = document.getElementById('app');
if (target) mount(App, { target });
